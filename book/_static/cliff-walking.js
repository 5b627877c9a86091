/* <cliff-walking epsilon="0.1" alpha="0.5" seed="0">
   Q-learning and SARSA side by side on the cliff of Sutton and Barto (2018, example 6.6): 4 x 12 cells, -1 a step,
   -100 and back to the start for the cliff, no discount. States and actions are numbered as in gymnasium's
   CliffWalking-v1; the targets are those of rlkit.tabular. tests/browser replays whole runs with rlkit.
   No dependency, no network. */
(() => {
  const ROWS = 4, COLUMNS = 12, START = 36, GOAL = 47, DISCOUNT = 1, WINDOW = 100, LONGEST = 100_000;   // LONGEST: only a guard, no setting of the sliders comes near it
  const MOVES = [[-1, 0], [0, 1], [1, 0], [0, -1]], ARROWS = ["↑", "→", "↓", "←"], NAMES = ["up", "right", "down", "left"];
  const METHODS = { q: "Q-learning", sarsa: "SARSA" };

  const STYLE = `
    :host { display: block; margin: 1.8rem 0; color: var(--pst-color-text-base); font: 1rem/1.5 var(--book-sans, sans-serif);
      border: 1px solid var(--pst-color-border); border-radius: .6rem; padding: 1rem 1.1rem; max-width: 46rem; box-sizing: border-box; }
    .row { display: flex; flex-wrap: wrap; gap: .5rem 1.2rem; align-items: center; margin: 0 0 .8rem; }
    label { display: inline-flex; align-items: center; gap: .45rem; }
    output { min-width: 2.6em; font-variant-numeric: tabular-nums; }
    input { accent-color: var(--pst-color-primary); min-height: 1.5rem; width: 8rem; }
    button { font: inherit; color: inherit; cursor: pointer; background: var(--pst-color-surface, transparent); border: 1px solid var(--pst-color-border);
      border-radius: .35rem; padding: .2rem .6rem; min-height: 2rem; }
    button:hover { border-color: var(--pst-color-primary); }
    @media (max-width: 30rem) { label:has([type=range]) { display: flex; width: 100%; } label > [type=range] { margin-left: auto; } }
    :focus-visible { outline: 3px solid var(--pst-color-primary); outline-offset: 2px; }
    .pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 19rem), 1fr)); gap: 1rem 1.2rem; }
    figure { margin: 0; } figcaption { margin-top: .3rem; font-variant-numeric: tabular-nums; }
    .name { font-weight: 650; margin: 0 0 .2rem; }
    svg { display: block; width: 100%; height: auto; overflow: visible; }
    .cell { fill: transparent; stroke: var(--pst-color-border); }
    .cliff { fill: color-mix(in srgb, var(--figure-orange) 45%, transparent); stroke: none; }
    .goal { fill: color-mix(in srgb, var(--figure-green) 45%, transparent); stroke: none; }
    .start { fill: none; stroke: var(--figure-ink); stroke-width: 2; }
    .walked { fill: color-mix(in srgb, var(--figure-blue) 32%, transparent); stroke: none; }
    svg text { fill: var(--figure-ink); font: 17px var(--book-sans, sans-serif); text-anchor: middle; dominant-baseline: central; }
    svg .word { font-size: 15px; letter-spacing: .12em; }
    .status { margin: .8rem 0 0; min-height: 4.5em; } @media (min-width: 48rem) { .status { min-height: 3em; } }
    .help { margin: .3rem 0 0; font-size: .9rem; color: var(--pst-color-text-muted); }`;
  const minus = (x, digits = 1) => x.toFixed(digits).replace("-", "−");
  const emptyTable = () => Array.from({ length: ROWS * COLUMNS }, () => [0, 0, 0, 0]);
  const best = values => values.indexOf(Math.max(...values));

  class CliffWalking extends HTMLElement {
    /* The world and the two rules, without side effects ------------------------------------------------------ */
    static transition(state, action) {       // [reward, next state, terminated]
      const row = Math.floor(state / COLUMNS) + MOVES[action][0], column = state % COLUMNS + MOVES[action][1];
      const next = Math.min(ROWS - 1, Math.max(0, row)) * COLUMNS + Math.min(COLUMNS - 1, Math.max(0, column));
      return next > START && next < GOAL ? [-100, START, false] : [-1, next, next === GOAL];
    }
    static qLearningTarget(reward, nextActionValues, terminated, discount) {
      return reward + (terminated ? 0 : discount * Math.max(...nextActionValues));
    }
    static sarsaTarget(reward, nextActionValue, terminated, discount) {
      return reward + (terminated ? 0 : discount * nextActionValue);
    }
    static target(method, table, [, , reward, next, nextAction, terminated], discount = DISCOUNT) {
      return method === "q" ? CliffWalking.qLearningTarget(reward, table[next], terminated, discount)
        : CliffWalking.sarsaTarget(reward, table[next][nextAction], terminated, discount);
    }
    static updated(method, table, transition, alpha, discount = DISCOUNT) {   // the new value of the pair that was tried
      const [state, action] = transition;
      return table[state][action] + alpha * (CliffWalking.target(method, table, transition, discount) - table[state][action]);
    }
    // A whole run over given transitions [state, action, reward, next state, next action, terminated], one after the other.
    static learn(method, transitions, alpha, discount = DISCOUNT, initial = emptyTable()) {
      const table = initial.map(row => [...row]), targets = [];
      for (const transition of transitions) {
        targets.push(CliffWalking.target(method, table, transition, discount));
        table[transition[0]][transition[1]] = CliffWalking.updated(method, table, transition, alpha, discount);
      }
      return { table, targets };
    }
    static generator(seed) {                 // mulberry32: uniform numbers in [0, 1), the same ones for the same seed
      let state = seed >>> 0;
      return () => {
        state = state + 0x6D2B79F5 | 0;
        let mixed = Math.imul(state ^ state >>> 15, 1 | state);
        mixed = mixed + Math.imul(mixed ^ mixed >>> 7, 61 | mixed) ^ mixed;
        return ((mixed ^ mixed >>> 14) >>> 0) / 4294967296;
      };
    }
    static choose(values, epsilon, random) { // epsilon-greedy; ties of the best are drawn
      if (random() < epsilon) return Math.floor(random() * 4);
      const largest = Math.max(...values), ties = [0, 1, 2, 3].filter(action => values[action] === largest);
      return ties[Math.floor(random() * ties.length)];
    }
    // One episode; changes the table. Both methods act alike: the next action is drawn before the update,
    // and SARSA takes it, while Q-learning draws again from the values that it has just changed.
    static episode(method, table, epsilon, alpha, random, note = () => {}) {
      let state = START, action = CliffWalking.choose(table[state], epsilon, random), total = 0;
      for (let step = 0; step < LONGEST; step++) {
        const [reward, next, terminated] = CliffWalking.transition(state, action);
        let following = CliffWalking.choose(table[next], epsilon, random);
        const seen = [state, action, reward, next, following, terminated];
        table[state][action] = CliffWalking.updated(method, table, seen, alpha);
        note(seen); total += reward;
        if (terminated) return total;
        if (method === "q") following = CliffWalking.choose(table[next], epsilon, random);
        [state, action] = [next, following];
      }
      return total;
    }
    static greedyPath(table) {               // the states from the start, up to the goal, a fall or a repetition
      const path = [START], seen = new Set(path);
      for (let state = START; ;) {
        const [reward, next, terminated] = CliffWalking.transition(state, best(table[state]));
        if (reward === -100 || seen.has(next)) return { path, arrives: false };
        path.push(next); seen.add(next); state = next;
        if (terminated) return { path, arrives: true };
      }
    }

    connectedCallback() {
      if (this.shadowRoot) return;
      const number = (name, fallback) => this.hasAttribute(name) ? Number(this.getAttribute(name)) : fallback;
      this.epsilon = number("epsilon", 0.1); this.alpha = number("alpha", 0.5); this.seed = number("seed", 0);
      const slider = (name, label, min, max, step) =>
        `<label>${label} <input type="range" name="${name}" min="${min}" max="${max}" step="${step}" value="${this[name]}"><output></output></label>`;
      const button = count => `<button type="button" data-episodes="${count}">${count} episode${count > 1 ? "s" : ""}</button>`;
      this.attachShadow({ mode: "open" }).innerHTML = `<style>${STYLE}</style>
        <div class="row">${slider("epsilon", "exploration ε", 0, 0.5, 0.05)}${slider("alpha", "step size α", 0.05, 1, 0.05)}</div>
        <div class="row">${button(1)}${button(10)}${button(100)}<button type="button" data-reset>Reset</button></div>
        <div class="pair">${Object.entries(METHODS).map(([method, name]) => `<figure data-method="${method}"><p class="name">${name}</p>
          <svg role="img" viewBox="0 0 ${COLUMNS * 30} ${ROWS * 30}"></svg><figcaption></figcaption></figure>`).join("")}</div>
        <p class="status" role="status" aria-live="polite"></p>
        <p class="help">Arrows: the action with the largest value in each cell that has been tried. Blue: the path of these arrows.
          Sliders act from the next episode on and keep what was learned.</p>`;
      this.$ = selector => this.shadowRoot.querySelector(selector);
      this.shadowRoot.querySelectorAll("input").forEach(input => {
        input.oninput = () => { this[input.name] = Number(input.value); this.draw(); };
      });
      this.shadowRoot.querySelectorAll("[data-episodes]").forEach(each => { each.onclick = () => this.run(Number(each.dataset.episodes)); });
      this.$("[data-reset]").onclick = () => this.reset();
      this.reset();
    }

    run(episodes) {
      for (const [method, learner] of Object.entries(this.learners)) {
        for (let k = 0; k < episodes; k++) learner.returns.push(CliffWalking.episode(method, learner.table, this.epsilon, this.alpha, learner.random));
      }
      this.draw();
    }
    reset() {
      const learner = () => ({ table: emptyTable(), returns: [], random: CliffWalking.generator(this.seed) });
      this.learners = { q: learner(), sarsa: learner() }; this.draw();
    }
    average(method) {                        // mean return of the last episodes, at most 100
      const last = this.learners[method].returns.slice(-WINDOW);
      return last.reduce((sum, each) => sum + each, 0) / last.length;
    }

    /* What is seen ------------------------------------------------------------------------------------------ */
    draw() {
      for (const method of Object.keys(METHODS)) {
        const { table, returns } = this.learners[method], { path, arrives } = CliffWalking.greedyPath(table);
        const box = (kind, state, width = 1) =>
          `<rect class="${kind}" x="${state % COLUMNS * 30 + 1}" y="${Math.floor(state / COLUMNS) * 30 + 1}" width="${width * 30 - 2}" height="28" rx="3"></rect>`;
        const text = (kind, state, label) => `<text class="${kind}" x="${state % COLUMNS * 30 + 15}" y="${Math.floor(state / COLUMNS) * 30 + 15}">${label}</text>`;
        const figure = this.$(`[data-method=${method}]`), walked = returns.length ? path.slice(0, -1) : [];
        figure.querySelector("svg").innerHTML = table.slice(0, START + 1).map((values, state) => {
          const tried = values.some(value => value !== 0);
          return box("cell", state) + (walked.includes(state) ? box("walked", state) : "") + (tried ? text("arrow", state, ARROWS[best(values)]) : "");
        }).join("") + box("start", START) + box("cliff", START + 1, COLUMNS - 2)
          + `<text class="word" x="${COLUMNS * 15}" y="${ROWS * 30 - 15}">the cliff</text>` + box("goal", GOAL) + text("", GOAL, "G");
        figure.querySelector("svg").setAttribute("aria-label", `${METHODS[method]}: ${this.inWords(method)}`);
        const route = !returns.length ? "–" : arrives ? `${path.length - 1} steps` : "does not arrive yet";
        figure.querySelector("figcaption").innerHTML = `last ${Math.min(WINDOW, returns.length) || WINDOW} episodes: <b>${returns.length ? minus(this.average(method)) : "–"}</b><br>greedy path: <b>${route}</b>`;
      }
      this.shadowRoot.querySelectorAll("input").forEach(input => { input.nextElementSibling.value = this[input.name].toFixed(2); });
      this.$(".status").textContent = this.sentence();
    }
    inWords(method) {                        // the greedy path as "up 1, right 11, down 1"
      const { table, returns } = this.learners[method], { path, arrives } = CliffWalking.greedyPath(table);
      if (!returns.length) return "nothing learned yet";
      const legs = [];
      (arrives ? path.slice(0, -1) : path).forEach(state => {
        const name = NAMES[best(table[state])];
        legs.at(-1)?.[0] === name ? legs.at(-1)[1]++ : legs.push([name, 1]);
      });
      return `greedy path ${legs.map(leg => leg.join(" ")).join(", ")}${arrives ? "" : ", which does not arrive"}`;
    }
    sentence() {
      const count = this.learners.q.returns.length;
      if (!count) return "No episode yet: every value is 0.";
      const [q, sarsa] = ["q", "sarsa"].map(method => minus(this.average(method)));
      const route = method => {
        const { path, arrives } = CliffWalking.greedyPath(this.learners[method].table);
        return arrives ? `takes ${path.length - 1} steps` : "does not arrive yet";
      };
      return `${count} episode${count > 1 ? "s" : ""}. Average return of the last ${Math.min(WINDOW, count)}, exploring: Q-learning ${q}, SARSA ${sarsa}. `
        + `Without exploring, the path of Q-learning ${route("q")} and that of SARSA ${route("sarsa")}.`;
    }
  }
  // Scripts stand in the head: wait until the element's content has been read.
  const define = () => customElements.get("cliff-walking") || customElements.define("cliff-walking", CliffWalking);
  document.readyState === "loading" ? document.addEventListener("DOMContentLoaded", define) : define();
})();
