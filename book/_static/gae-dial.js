/* <gae-dial gae-lambda="0.95" discount="0.99"><script type="application/json">
     {"rewards": [...], "values": [...], "next_values": [...], "terminated": [...], "truncated": [...], "returns": [...]}
   </script></gae-dial>          (or the same JSON in the attribute "trajectory"; "returns" may be left out)
   The advantages of a recorded trajectory for any lambda, as rlkit.advantages.generalized_advantage_estimate:
   next_values belong to the final observation of each step; a trace is cut at both kinds of ending.
   tests/browser compares every bar with rlkit. No dependency, no network. */
(() => {
  const HEIGHT = 280, LEFT = 46, RIGHT = 8, TOP = 20, BOTTOM = 44;

  const STYLE = `
    :host { display: block; margin: 1.8rem 0; color: var(--pst-color-text-base); font: 1rem/1.5 var(--book-sans, sans-serif);
      border: 1px solid var(--pst-color-border); border-radius: .6rem; padding: 1rem 1.1rem; max-width: 46rem; box-sizing: border-box; }
    .row { display: flex; flex-wrap: wrap; gap: .5rem 1.4rem; align-items: center; margin: 0 0 .8rem; }
    label { display: inline-flex; align-items: center; gap: .45rem; }
    @media (max-width: 30rem) { label:has([type=range]) { display: flex; width: 100%; } label > [type=range] { margin-left: auto; } }
    output { min-width: 2.9em; font-variant-numeric: tabular-nums; }
    input { accent-color: var(--pst-color-primary); min-height: 1.5rem; width: 9rem; }
    :focus-visible { outline: 3px solid var(--pst-color-primary); outline-offset: 2px; }
    svg { display: block; width: 100%; overflow: visible; }
    svg text { fill: var(--figure-ink); font: .88rem var(--book-sans, sans-serif); font-variant-numeric: tabular-nums; }
    .axis { stroke: var(--figure-ink); stroke-width: 1; opacity: .55; }
    .bar { fill: var(--figure-blue); }
    .zero { fill: none; stroke: var(--figure-orange); stroke-width: 1.4; }
    .one { fill: none; stroke: var(--figure-purple); stroke-width: 1.4; stroke-dasharray: 4 3; }
    .given { fill: var(--figure-paper); stroke: var(--figure-ink); stroke-width: 1.5; }
    .terminated, .truncated { stroke: var(--figure-ink); stroke-width: 1.8; }
    .truncated { stroke-dasharray: 3 3; }
    .key { display: flex; flex-wrap: wrap; gap: .1rem 1.2rem; margin: .3rem 0 0; padding: 0; list-style: none; font-size: .95rem; }
    .key li { display: inline-flex; align-items: center; gap: .5rem; }
    .key svg { width: 1.5rem; height: .9rem; }
    .status { margin: .8rem 0 0; min-height: 4.5em; }
    summary { cursor: pointer; padding: .3rem 0; }
    .scroll { overflow-x: auto; }
    table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .95rem; }
    th, td { padding: .15rem .7rem; text-align: right; font-weight: 400; white-space: nowrap; }
    thead th { font-weight: 600; border-bottom: 1px solid var(--pst-color-border); }`;
  const minus = (x, digits = 2) => (Math.abs(x) < 0.5 * 10 ** -digits ? 0 : x).toFixed(digits).replace("-", "−");
  const key = (kind, text) => `<li data-key="${kind}"><svg viewBox="0 0 24 14" aria-hidden="true">${kind === "given" ? '<circle class="given" cx="12" cy="7" r="4"></circle>'
    : kind.endsWith("ated") ? `<line class="${kind}" x1="12" y1="0" x2="12" y2="14"></line>` : `<rect class="${kind}" x="2" y="2" width="20" height="10"></rect>`}</svg>${text}</li>`;

  class GaeDial extends HTMLElement {
    /* The formula ------------------------------------------------------------------------------------------- */
    static advantages({ rewards, values, next_values, terminated, truncated }, discount, gaeLambda) {
      const estimate = [];
      for (let t = rewards.length - 1; t >= 0; t--) {
        const error = rewards[t] + (terminated[t] ? 0 : discount * next_values[t]) - values[t];
        const ended = terminated[t] || truncated[t] || t === rewards.length - 1;
        estimate[t] = error + (ended ? 0 : discount * gaeLambda * estimate[t + 1]);
      }
      return estimate;
    }
    // What keeps a trajectory from being drawn, in words, or "".
    static complaint(trajectory) {
      const names = ["rewards", "values", "next_values", "terminated", "truncated", ...("returns" in trajectory ? ["returns"] : [])];
      const length = trajectory.rewards?.length;
      if (!length) return "the trajectory has no rewards";
      const wrong = names.find(name => !Array.isArray(trajectory[name]) || trajectory[name].length !== length);
      return wrong ? `the trajectory has ${length} rewards and ${trajectory[wrong]?.length ?? "no"} ${wrong}` : "";
    }

    connectedCallback() {
      if (this.shadowRoot) return;
      if (document.readyState === "loading") { document.addEventListener("DOMContentLoaded", () => this.connectedCallback()); return; }
      const number = (name, fallback) => this.hasAttribute(name) ? Number(this.getAttribute(name)) : fallback;
      this.gaeLambda = number("gae-lambda", 0.95); this.discount = this.givenDiscount = number("discount", 0.99);
      this.trajectory = JSON.parse(this.getAttribute("trajectory") || this.querySelector("script[type='application/json']")?.textContent || "{}");
      const complaint = GaeDial.complaint(this.trajectory);
      if (complaint) throw new Error(`gae-dial: ${complaint}`);
      const { returns, returns_label = "given return − value" } = this.trajectory;
      const slider = (name, label) => `<label>${label} <input type="range" aria-label="${label}" name="${name}" min="0" max="1" step="0.01" value="${this[name]}"><output></output></label>`;
      this.attachShadow({ mode: "open" }).innerHTML = `<style>${STYLE}</style>
        <div class="row">${slider("gaeLambda", "λ")}${slider("discount", "discount γ")}</div>
        <svg class="plot" role="img" height="${HEIGHT}"></svg>
        <ul class="key">${key("bar", "advantage at this λ")}${key("zero", "λ = 0: TD error")}${key("one", "λ = 1: return − value")}${returns ? key("given", "") : ""}${["terminated", "truncated"].map(kind => this.trajectory[kind].some(Boolean) ? key(kind, kind) : "").join("")}</ul>
        <p class="status" role="status" aria-live="polite"></p>
        <details><summary>All numbers</summary><div class="scroll" tabindex="0" role="region" aria-label="All numbers"><table></table></div></details>`;
      this.$ = selector => this.shadowRoot.querySelector(selector);
      if (returns) this.$("[data-key=given]").append(returns_label);
      this.shadowRoot.querySelectorAll("input").forEach(input => {
        input.oninput = () => { this[input.name] = Number(input.value); this.draw(); };
      });
      this.observer = new ResizeObserver(() => { if (this.$(".plot").clientWidth !== this.width) this.draw(); });
      this.observer.observe(this); this.draw();
    }
    disconnectedCallback() { this.observer?.disconnect(); }

    get advantages() { return GaeDial.advantages(this.trajectory, this.discount, this.gaeLambda); }
    // Return minus value where returns were given; they belong to the discount that the page gave.
    get given() {
      const { returns, values } = this.trajectory;
      return returns && Math.abs(this.discount - this.givenDiscount) < 1e-9 ? returns.map((each, t) => each - values[t]) : null;
    }

    /* What is seen ------------------------------------------------------------------------------------------ */
    draw() {
      const { trajectory, discount } = this, plot = this.$(".plot"), steps = trajectory.rewards.length;
      const at = gaeLambda => GaeDial.advantages(trajectory, discount, gaeLambda);
      const now = this.advantages, zero = at(0), one = at(1), given = this.given;
      // One scale for every λ, so that a change of λ is seen as a change of the bars.
      const all = [0, 0.25, 0.5, 0.75, 0.9, 1].flatMap(at).concat(now, given ?? []);
      const [low, high] = [Math.min(0, ...all), Math.max(0, ...all)], span = high - low || 1;
      this.width = plot.clientWidth || 320;
      const wide = (this.width - LEFT - RIGHT) / steps, bottom = HEIGHT - BOTTOM;
      const x = t => LEFT + t * wide, y = value => TOP + (high - value) / span * (bottom - TOP);
      const line = (kind, x1, y1, x2, y2) => `<line class="${kind}" x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}"></line>`;
      const text = (label, px, py, anchor) => `<text x="${px}" y="${py}" text-anchor="${anchor}">${label}</text>`;
      const box = (kind, value, t, gap) =>
        `<rect class="${kind}" x="${x(t) + gap}" y="${Math.min(y(0), y(value))}" width="${Math.max(1, wide - 2 * gap)}" height="${Math.abs(y(value) - y(0))}"></rect>`;
      const tick = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500].find(each => span / each <= 6) ?? span / 4;
      const levels = []; for (let k = Math.ceil(low / tick - 1e-9); k * tick <= high + 1e-9; k++) levels.push(k * tick);
      const every = [1, 2, 5, 10, 20, 50, 100].find(each => each * wide >= 24) ?? steps;
      const endings = now.flatMap((_, t) => trajectory.terminated[t] ? [["terminated", t]] : trajectory.truncated[t] ? [["truncated", t]] : []);
      plot.innerHTML = line("axis", LEFT, TOP, LEFT, bottom) + line("axis", LEFT, y(0), x(steps), y(0))
        + levels.map(v => line("axis", LEFT - 4, y(v), LEFT, y(v)) + text(minus(v, tick < 0.1 ? 2 : tick < 1 ? 1 : 0), LEFT - 8, y(v) + 5, "end")).join("")
        + now.map((_, t) => t % every ? "" : text(t, x(t) + wide / 2, bottom + 16, "middle")).join("")
        + text("step t", x(steps / 2), bottom + 36, "middle")
        + now.map((value, t) => box("bar", value, t, wide * 0.18)).join("")
        + zero.map((value, t) => box("zero", value, t, wide * 0.1)).join("") + one.map((value, t) => box("one", value, t, wide * 0.1)).join("")
        + endings.map(([kind, t]) => line(kind, x(t + 1), TOP - 14, x(t + 1), bottom)).join("")
        + (given ?? []).map((value, t) => `<circle class="given" cx="${x(t) + wide / 2}" cy="${y(value)}" r="${Math.min(4, Math.max(2, wide / 3))}"></circle>`).join("");
      const ends = endings.map(([kind, t]) => `${kind} after step ${t}`).join(", ") || "no episode ends";
      plot.setAttribute("aria-label", `Advantages of ${steps} steps, from ${minus(Math.min(...now))} to ${minus(Math.max(...now))}; ${ends}`);
      if (trajectory.returns) this.$("[data-key=given]").style.opacity = given ? 1 : 0.45;
      this.shadowRoot.querySelectorAll("input").forEach(input => { input.nextElementSibling.value = this[input.name].toFixed(2); });
      this.$(".status").textContent = this.sentence(now, given);
      const head = ["step", "reward", "value", "TD error", "advantage", "return − value", ...(trajectory.returns ? ["given"] : []), "end"];
      this.$("table").innerHTML = `<thead><tr>${head.map(each => `<th scope="col">${each}</th>`).join("")}</tr></thead><tbody>${now.map((value, t) => {
        const cells = [trajectory.rewards[t], trajectory.values[t], zero[t], value, one[t], ...(trajectory.returns ? [given?.[t]] : [])];
        return `<tr><th scope="row">${t}</th>${cells.map(each => `<td>${each === undefined ? "–" : minus(each)}</td>`).join("")}<td>${endings.find(each => each[1] === t)?.[0] ?? ""}</td></tr>`;
      }).join("")}</tbody>`;
    }
    sentence(now, given) {
      const weight = this.discount * this.gaeLambda;
      const start = this.gaeLambda === 0 ? "λ = 0: every bar is the TD error of its own step, and no later reward counts."
        : this.gaeLambda === 1 ? "λ = 1: every bar is the return minus the value, and every later TD error of the episode counts."
        : weight === 0 ? "γ = 0: nothing after the step counts."
        : `A TD error k steps later counts ${weight.toFixed(2)} to the power k, so about ${(1 / (1 - weight)).toFixed(weight > 0.9 ? 0 : 1)} steps are in view. No trace passes an ending.`;
      const range = `The advantages lie between ${minus(Math.min(...now))} and ${minus(Math.max(...now))}.`;
      const away = given && now.reduce((sum, value, t) => sum + Math.abs(value - given[t]), 0) / now.length;
      const compared = given ? ` On average they are ${minus(away)} away from the circles.`
        : this.trajectory.returns ? ` The given returns belong to γ = ${this.givenDiscount} and are not shown.` : "";
      return `${start} ${range}${compared}`;
    }
  }
  // Scripts stand in the head: wait until the element's content has been read.
  const define = () => customElements.get("gae-dial") || customElements.define("gae-dial", GaeDial);
  document.readyState === "loading" ? document.addEventListener("DOMContentLoaded", define) : define();
})();
