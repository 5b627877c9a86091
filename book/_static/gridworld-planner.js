/* <gridworld-planner map="...G|.#.P|S..." discount="0.9" slip="0.2" step-reward="0">
   Value iteration and policy iteration on a map, step by step, with the semantics of rlkit.gridworld:
   rewards on arrival, slips to the two perpendicular directions, a bump stays in place.
   tests/browser compares every number with rlkit. No dependency, no network. */
(() => {
  const ARROWS = ["↑", "→", "↓", "←"], NAMES = ["up", "right", "down", "left"];
  const MOVES = [[-1, 0], [0, 1], [1, 0], [0, -1]], KINDS = { G: "goal", P: "pit", "#": "wall", S: "start" };
  const TIE = 1e-9, CONVERGED = 1e-6;
  let count = 0;

  const STYLE = `
    :host { display: block; margin: 1.8rem 0; color: var(--pst-color-text-base); font: 1rem/1.5 var(--book-sans, sans-serif);
      border: 1px solid var(--pst-color-border); border-radius: .6rem; padding: 1rem 1.1rem; max-width: 39rem; box-sizing: border-box; }
    .row { display: flex; flex-wrap: wrap; gap: .5rem 1.2rem; align-items: center; margin: 0 0 .8rem; }
    fieldset { border: 0; margin: 0 0 .8rem; padding: 0; display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; }
    legend { padding: 0; float: left; margin-right: 1.2rem; font-weight: 600; }
    label { display: inline-flex; align-items: center; gap: .45rem; }
    output { min-width: 2.8em; font-variant-numeric: tabular-nums; }
    input { accent-color: var(--pst-color-primary); min-height: 1.5rem; }
    input[type=range] { width: 6.6rem; }
    @media (max-width: 30rem) { label:has([type=range]) { display: flex; width: 100%; } label > [type=range] { margin-left: auto; } }
    button { font: inherit; color: inherit; cursor: pointer; }
    .row button { background: var(--pst-color-surface, transparent); border: 1px solid var(--pst-color-border);
      border-radius: .35rem; padding: .2rem .6rem; min-height: 2rem; }
    .row button:hover:enabled { border-color: var(--pst-color-primary); }
    .row button:disabled { color: var(--pst-color-text-muted); cursor: default; }
    :focus-visible { outline: 3px solid var(--pst-color-primary); outline-offset: 2px; }
    [role=grid] { display: grid; gap: 3px; max-width: calc(var(--columns) * 5.4rem); }
    [role=row] { display: grid; gap: 3px; grid-template-columns: repeat(var(--columns), minmax(0, 1fr)); }
    [role=gridcell] button { width: 100%; aspect-ratio: 1; padding: 0; border: 1px solid var(--pst-color-border); border-radius: .3rem;
      display: flex; flex-direction: column; align-items: center; justify-content: center; line-height: 1.3;
      font-size: clamp(.72rem, 3.2vw, 1rem); font-variant-numeric: tabular-nums;
      background: color-mix(in srgb, var(--shade) calc(var(--strength) * 42%), transparent); }
    [data-kind="#"] button { background: color-mix(in srgb, var(--figure-ink) 55%, transparent); }
    [data-kind=G] button { background: color-mix(in srgb, var(--figure-green) 45%, transparent); font-weight: 700; cursor: default; }
    [data-kind=P] button { background: color-mix(in srgb, var(--figure-orange) 45%, transparent); font-weight: 700; cursor: default; }
    [data-kind=S] button { cursor: default; border: 2px solid var(--figure-ink); }
    .arrows { min-height: 1.3em; }
    .status { margin: .8rem 0 0; min-height: 3em; }
    .help { margin: .3rem 0 0; font-size: .9rem; color: var(--pst-color-text-muted); }`;

  class GridworldPlanner extends HTMLElement {
    connectedCallback() {
      if (this.shadowRoot) return;
      const number = (name, fallback) => this.hasAttribute(name) ? Number(this.getAttribute(name)) : fallback;
      this.discount = number("discount", 0.9); this.slip = number("slip", 0); this.stepReward = number("step-reward", 0);
      this.method = "value"; count += 1;
      const slider = (key, label, min, max, step) =>
        `<label>${label} <input type="range" name="${key}" min="${min}" max="${max}" step="${step}" value="${this[key]}"><output></output></label>`;
      this.attachShadow({ mode: "open" }).innerHTML = `<style>${STYLE}</style>
        <fieldset><legend>Method</legend>
          <label><input type="radio" name="method${count}" value="value" checked> value iteration</label>
          <label><input type="radio" name="method${count}" value="policy"> policy iteration</label></fieldset>
        <div class="row">${slider("discount", "γ", 0, 0.99, 0.01)}${slider("slip", "slip", 0, 1, 0.05)}${slider("stepReward", "step reward", -0.5, 0.5, 0.01)}</div>
        <div class="row"><button type="button" data-do="sweep">Sweep</button><button type="button" data-do="evaluate">Evaluate</button>
          <button type="button" data-do="improve">Improve</button><button type="button" data-do="run">Run</button>
          <button type="button" data-do="reset">Reset</button></div>
        <div role="grid" aria-label="Map: arrow keys move, Enter adds or removes a wall"></div>
        <p class="status" role="status" aria-live="polite"></p>
        <p class="help">Click a free cell, or press Enter on it, to add or remove a wall. The thick border marks the start.</p>`;
      this.$ = selector => this.shadowRoot.querySelector(selector);
      this.shadowRoot.querySelectorAll("input[type=range]").forEach(input => {
        input.oninput = () => { this[input.name] = Number(input.value); this.clear(); };
      });
      this.shadowRoot.querySelectorAll("input[type=radio]").forEach(input => {
        input.onchange = () => { this.method = input.value; this.clear(); };
      });
      this.shadowRoot.querySelectorAll("[data-do]").forEach(button => { button.onclick = () => this[button.dataset.do](); });
      this.reset();
    }

    disconnectedCallback() { this.stop(); }

    /* The model ------------------------------------------------------------------------------------------- */
    ends(r, c) { return "GP".includes(this.map[r][c]); }
    wall(r, c) { return this.map[r]?.[c] === undefined || this.map[r][c] === "#"; }
    outcomes(r, c, action) {   // [probability, row, column] of the intended and the two perpendicular directions
      return [[1 - this.slip, action], [this.slip / 2, (action + 1) % 4], [this.slip / 2, (action + 3) % 4]].map(([p, way]) => {
        const [i, j] = [r + MOVES[way][0], c + MOVES[way][1]];
        return this.wall(i, j) ? [p, r, c] : [p, i, j];
      });
    }
    reward(r, c) { return this.stepReward + ({ G: 1, P: -1 }[this.map[r][c]] || 0); }
    lookahead(r, c) {          // one value per action
      if (this.ends(r, c)) return [0, 0, 0, 0];
      return ARROWS.map((_, a) => this.outcomes(r, c, a)
        .reduce((sum, [p, i, j]) => sum + p * (this.reward(i, j) + this.discount * this.values[i][j]), 0));
    }
    greedy(r, c) {             // ties share, as in rlkit.dynamic_programming.greedy_policy
      const q = this.lookahead(r, c), best = q.map(x => x >= Math.max(...q) - TIE), ties = best.filter(Boolean).length;
      return best.map(x => x ? 1 / ties : 0);
    }
    each(f) { return this.map.map((row, r) => row.map((_, c) => this.wall(r, c) ? null : f(r, c))); }
    get residual() { return Math.max(...this.each((r, c) => Math.abs(Math.max(...this.lookahead(r, c)) - this.values[r][c])).flat()); }
    get bound() { return this.residual / (1 - this.discount); }

    /* Steps ----------------------------------------------------------------------------------------------- */
    sweep() {
      this.values = this.each((r, c) => Math.max(...this.lookahead(r, c)));
      this.policy = this.each((r, c) => this.greedy(r, c));
      this.steps += 1; this.draw();
    }
    evaluate() {               // solves (I - discount P) V = r by elimination with pivoting
      const cells = []; this.each((r, c) => cells.push([r, c]));
      const index = new Map(cells.map(([r, c], s) => [`${r},${c}`, s]));
      const rows = cells.map(([r, c], s) => {
        const row = new Float64Array(cells.length + 1); row[s] = 1;
        if (!this.ends(r, c)) this.policy[r][c].forEach((chance, a) => this.outcomes(r, c, a).forEach(([p, i, j]) => {
          row[index.get(`${i},${j}`)] -= this.discount * chance * p; row[cells.length] += chance * p * this.reward(i, j);
        }));
        return row;
      });
      rows.forEach((_, k) => {
        let best = k;
        for (let i = k + 1; i < rows.length; i++) if (Math.abs(rows[i][k]) > Math.abs(rows[best][k])) best = i;
        [rows[k], rows[best]] = [rows[best], rows[k]];
        rows.forEach((row, i) => {
          const factor = i === k ? 0 : row[k] / rows[k][k];
          if (factor) for (let j = k; j <= rows.length; j++) row[j] -= factor * rows[k][j];
        });
      });
      cells.forEach(([r, c], s) => { this.values[r][c] = rows[s][cells.length] / rows[s][s]; });
      this.evaluated = true; this.steps += 1; this.draw();
    }
    improve() {
      const improved = this.each((r, c) => this.greedy(r, c));
      this.stable = JSON.stringify(improved) === JSON.stringify(this.policy);
      this.policy = improved; this.evaluated = this.stable; this.draw();
    }
    get done() { return this.method === "value" ? this.steps > 0 && this.residual < CONVERGED : this.stable; }
    step() { this.method === "value" ? this.sweep() : this.evaluated ? this.improve() : this.evaluate(); }
    run() {
      if (this.timer) return this.stop();
      const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
      this.timer = setInterval(() => { this.done ? this.stop() : this.step(); }, calm ? 0 : this.method === "value" ? 120 : 700);
      this.draw();
    }
    stop() { clearInterval(this.timer); this.timer = null; if (this.cells) this.draw(); }
    reset() { this.map = (this.getAttribute("map") || "...G|.#.P|S...").split("|").map(row => [...row]); this.build(); this.clear(); }
    clear() {                  // zero values; policy iteration starts from the uniform policy
      this.steps = 0; this.evaluated = this.stable = false;
      this.values = this.each(() => 0); this.policy = this.each(() => [.25, .25, .25, .25]);
      this.stop();
    }
    toggle(r, c) {
      if (!".#".includes(this.map[r][c])) return;
      this.map[r][c] = this.map[r][c] === "#" ? "." : "#"; this.clear();
    }

    /* What is seen ---------------------------------------------------------------------------------------- */
    build() {
      const grid = this.$("[role=grid]");
      grid.style.setProperty("--columns", this.map[0].length);
      grid.innerHTML = this.map.map(row => `<div role="row">${row.map(() =>
        '<div role="gridcell"><button type="button" tabindex="-1"><span class="number"></span><span class="arrows"></span></button></div>').join("")}</div>`).join("");
      this.cells = [...grid.children].map(row => [...row.children]);
      this.cells.forEach((row, r) => row.forEach((cell, c) => {
        const button = cell.firstChild;
        button.onclick = () => this.toggle(r, c);
        button.onkeydown = event => {
          const [dr, dc] = MOVES[["ArrowUp", "ArrowRight", "ArrowDown", "ArrowLeft"].indexOf(event.key)] || [];
          if (dr === undefined) return;
          event.preventDefault();
          const next = this.cells[r + dr]?.[c + dc]?.firstChild;
          if (next) { button.tabIndex = -1; next.tabIndex = 0; next.focus(); }
        };
      }));
      this.cells[0][0].firstChild.tabIndex = 0;
    }
    draw() {
      const largest = Math.max(1e-9, ...this.values.flat().map(v => Math.abs(v ?? 0)));
      const acts = this.method === "policy" || this.steps > 0;
      this.cells.forEach((row, r) => row.forEach((cell, c) => {
        const kind = this.map[r][c], v = this.values[r][c], wall = kind === "#", end = "GP".includes(kind);
        const moves = wall || end || !acts ? [] : this.policy[r][c].flatMap((p, a) => p > 0 ? [a] : []);
        const text = wall ? "" : end ? (kind === "G" ? "+1" : "−1") : v.toFixed(2).replace("-", "−");
        cell.dataset.kind = kind;
        cell.style.setProperty("--strength", wall || end ? 0 : Math.abs(v) / largest);
        cell.style.setProperty("--shade", `var(--figure-${v < 0 ? "orange" : "blue"})`);
        cell.querySelector(".number").textContent = text;
        cell.querySelector(".arrows").textContent = moves.map(a => ARROWS[a]).join("");
        const what = [KINDS[kind], wall || end ? "" : `value ${text}`, moves.length ? `go ${moves.map(a => NAMES[a]).join(" or ")}` : ""];
        cell.firstChild.setAttribute("aria-label", `row ${r + 1}, column ${c + 1}: ${what.filter(Boolean).join(", ")}`);
      }));
      this.shadowRoot.querySelectorAll("input[type=range]").forEach(input => { input.nextElementSibling.value = Number(this[input.name]).toFixed(2); });
      const policy = this.method === "policy";
      for (const [name, shown, off] of [["sweep", !policy, false], ["evaluate", policy, this.evaluated], ["improve", policy, !this.evaluated || this.stable]]) {
        const button = this.$(`[data-do=${name}]`);
        button.hidden = !shown; button.disabled = off; button.style.display = shown ? "" : "none";
      }
      this.$("[data-do=run]").textContent = this.timer ? "Pause" : "Run";
      // While it runs, a sentence for each sweep would flood a screen reader.
      this.$(".status").setAttribute("aria-live", this.timer ? "off" : "polite");
      this.$(".status").textContent = this.sentence();
    }
    sentence() {
      const show = x => x < 1e-12 ? "0" : x.toPrecision(3);
      const sizes = `Residual ${show(this.residual)}, so every value is within ${show(this.bound)} of the best possible.`;
      if (this.method === "value") return this.steps ? `Sweep ${this.steps}. ${sizes}${this.done ? " Converged." : ""}` : `Sweep 0: every value is 0. ${sizes}`;
      if (!this.steps) return "The policy is uniform: every direction with probability ¼. Evaluate it.";
      if (this.stable) return `The policy no longer changes: it is optimal, after ${this.steps} evaluations. ${sizes}`;
      return this.evaluated ? `Evaluation ${this.steps}: the exact values of the policy shown. ${sizes}`
        : `Improved: the arrows are greedy for the values of evaluation ${this.steps}. Evaluate the new policy.`;
    }
  }
  // Scripts stand in the head: wait until the element's content has been read.
  const define = () => customElements.get("gridworld-planner") || customElements.define("gridworld-planner", GridworldPlanner);
  document.readyState === "loading" ? document.addEventListener("DOMContentLoaded", define) : define();
})();
