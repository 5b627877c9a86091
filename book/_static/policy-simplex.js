/* <policy-simplex rewards="1 0.5 0" start="0.1 0.2 0.7" step-size="0.4" entropy="0" seed="0">
   A bandit of three arms with fixed rewards; a softmax policy is a point in a triangle. The exact gradient as field and
   path, sampled REINFORCE steps beside it. tests/browser compares every number with rlkit. */
(() => {
  const RUNS = 5, MOST = 1000, PAD = 14, TOP = 26, SIDES = 11, LARGEST = 5;
  const STYLE = `
    :host { display: block; margin: 1.8rem 0; color: var(--pst-color-text-base); font: 1rem/1.5 var(--book-sans, sans-serif);
      border: 1px solid var(--pst-color-border); border-radius: .6rem; padding: 1rem 1.1rem; max-width: 46rem; box-sizing: border-box; }
    .row, ul { display: flex; flex-wrap: wrap; gap: .5rem 1.4rem; align-items: center; margin: 0 0 .8rem; padding: 0; }
    label { display: inline-flex; align-items: center; gap: .45rem; }
    output { min-width: 2.6em; font-variant-numeric: tabular-nums; }
    input { accent-color: var(--pst-color-primary); min-height: 1.5rem; } [type=range] { width: 7rem; margin-left: auto; }
    @media (max-width: 30rem) { label:has(output) { width: 100%; } }
    button, select { font: inherit; color: inherit; background: var(--pst-color-surface); border: 1px solid var(--pst-color-border);
      border-radius: .35rem; padding: .2rem .6rem; min-height: 2rem; cursor: pointer; }
    :focus-visible { outline: 3px solid var(--pst-color-primary); }
    button:hover { border-color: var(--pst-color-primary); }
    .picture { flex: 1 1 16rem; max-width: 24rem; } table { flex: 1 1 14rem; align-self: start; }
    svg { display: block; width: 100%; cursor: crosshair; }
    svg text { fill: var(--figure-ink); font-size: .88rem; }
    .axis { stroke: var(--figure-ink); fill: none; opacity: .6; } .field { fill: var(--figure-ink); opacity: .5; } .goal { stroke: currentColor; stroke-width: 3; color: var(--figure-green); }
    .exact { color: var(--figure-blue); } .run { color: var(--figure-orange); }
    polyline { fill: none; stroke: currentColor; stroke-width: 1.3; } polyline.exact { stroke-width: 3.5; } circle { fill: currentColor; stroke: var(--figure-paper); stroke-width: 1.5; }
    .start { fill: var(--figure-paper); stroke: var(--figure-ink); }
    ul { gap: .1rem 1.2rem; list-style: none; font-size: .95rem; }
    i { font-style: normal; font-weight: 700; }
    table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .95rem; }
    th, td { padding: .15rem 0; text-align: right; font-weight: 400; border-bottom: 1px solid var(--pst-color-border); } [scope=col] { font-weight: 600; } [scope=row] { text-align: left; } p { margin: 0; min-height: 7.5em; }`;
  const minus = (x, digits = 2) => (Math.abs(x) < 0.5 * 10 ** -digits ? 0 : x).toFixed(digits).replace("-", "−");
  const sum = values => values.reduce((total, each) => total + each, 0), dot = (p, q) => sum(p.map((each, a) => each * q[a]));
  const words = p => p.map(one => minus(one)).join(", "), each = (count, f) => Array.from({ length: count }, (_, k) => f(k));
  const NAMES = ["arm 1", "arm 2", "arm 3"], near = (arm, p = 1) => each(3, a => a === arm ? p : (1 - p) / 2);

  /* The formulas: theta are three logits, r three rewards, c the weight of the entropy */
  const logPolicy = theta => { const top = Math.max(...theta), rest = top + Math.log(sum(theta.map(z => Math.exp(z - top)))); return theta.map(z => z - rest); };
  const policy = theta => logPolicy(theta).map(Math.exp);
  // What an arm is paid: its reward, and c times minus its log-probability. The mean is the objective J + c H.
  const pay = (theta, r, c) => logPolicy(theta).map((l, a) => r[a] - c * l);
  const objective = (theta, r, c) => dot(policy(theta), pay(theta, r, c));
  const gradient = (theta, r, c) => { const mean = objective(theta, r, c), paid = pay(theta, r, c); return policy(theta).map((p, a) => p * (paid[a] - mean)); };
  // The estimate from one sampled arm: (pay - b) times the gradient of its log-probability.
  const estimate = (theta, r, c, baseline, arm) => {
    const weight = pay(theta, r, c)[arm] - (baseline ? objective(theta, r, c) : 0);
    return policy(theta).map((p, a) => weight * ((a === arm) - p));
  };
  const square = g => dot(g, g);
  const variance = (theta, r, c, baseline) =>
    dot(policy(theta), each(3, arm => square(estimate(theta, r, c, baseline, arm)))) - square(gradient(theta, r, c));
  const follow = (theta, steps, alpha, step) => {  // all logits on the way
    const path = [theta];
    for (let k = 0; k < steps; k++) { const g = step(path[k]); path.push(path[k].map((z, a) => z + alpha * g[a])); }
    return path;
  };
  const ascent = (theta, r, c, alpha, steps) => follow(theta, steps, alpha, now => gradient(now, r, c));
  const sampled = (theta, r, c, alpha, baseline, steps, random) => {
    const arms = [], path = follow(theta, steps, alpha, now => {
      const [first, second] = policy(now), u = random();
      arms.push(u < first ? 0 : u < first + second ? 1 : 2);
      return estimate(now, r, c, baseline, arms.at(-1));
    });
    return { arms, path };
  };
  const generator = seed => {  // mulberry32
    let state = seed >>> 0;
    return () => {
      state = state + 0x6D2B79F5 | 0;
      let mixed = Math.imul(state ^ state >>> 15, 1 | state);
      mixed = mixed + Math.imul(mixed ^ mixed >>> 7, 61 | mixed) ^ mixed;
      return ((mixed ^ mixed >>> 14) >>> 0) / 4294967296;
    };
  };

  class PolicySimplex extends HTMLElement {
    static { Object.assign(this, { policy, objective, gradient, variance, ascent, sampled, generator }); }

    connectedCallback() {
      if (this.shadowRoot) return;
      const three = name => this.getAttribute(name)?.trim().split(/\s+/).map(Number), number = (name, fallback) => three(name)?.[0] ?? fallback;
      this.rewards = three("rewards") ?? [1, 0.5, 0]; this.start = three("start") ?? near(0, 1 / 3);
      if (this.rewards.length !== 3 || this.start.length !== 3 || !this.start.every(p => p > 0)) throw new Error("policy-simplex: not 3 rewards, 3 probabilities");
      this.alpha = number("step-size", 0.4); this.entropy = number("entropy", 0); this.seed = number("seed", 0); this.steps = 0; this.baseline = false;
      this.starts = { "as given": this.start, ...Object.fromEntries(NAMES.map((name, a) => [`near ${name}`, near(a, 0.96)])) };
      const slider = (name, label, min, max, step) => `<label>${label} <input type="range" name="${name}" aria-label="${label}" min="${min}" max="${max}" step="${step}"><output></output></label>`;
      const group = (label, names) => `<div class="row" role="group" aria-label="${label}">${names.map(name => `<button>${name}</button>`).join("")}</div>`;
      this.attachShadow({ mode: "open" }).innerHTML = `<style>${STYLE}</style>
        <div class="row">${NAMES.map((name, a) => slider(a, `reward of ${name}`, -LARGEST, LARGEST, 0.1)).join("")}</div>
        ${group("changes of the rewards", ["all + 1", "all − 1", "all alike"])}
        <div class="row">${slider("alpha", "step size α", 0.05, 2, 0.05)}${slider("entropy", "entropy bonus", 0, 1, 0.05)}
          <label><input type="checkbox"> baseline: expected reward</label>
          <label>start <select>${Object.keys(this.starts).map(name => `<option>${name}</option>`).join("")}</select></label></div>
        ${group("steps", ["1 step", "10 steps", "100 steps", "restart", "other samples"])}
        <div class="row"><div class="picture"><svg role="img"></svg>
          <ul><li><i class="exact">━</i> exact gradient</li><li><i class="run">─</i> ${RUNS} sampled runs</li><li><i>○</i> start</li><li><i class="goal">✕</i> best policy</li></ul></div>
        <table></table></div>
        <p role="status" aria-live="polite"></p>`;
      this.$ = selector => this.shadowRoot.querySelector(selector); this.all = selector => this.shadowRoot.querySelectorAll(selector);
      this.all("[type=range]").forEach(input => { input.oninput = () => { (input.name in this ? this : this.rewards)[input.name] = Number(input.value); this.draw(); }; });
      this.$("[type=checkbox]").onchange = event => { this.baseline = event.target.checked; this.draw(); };
      this.$("select").onchange = event => { this.start = this.starts[event.target.value]; this.draw(); };
      this.all("button").forEach(button => { button.onclick = () => { this.press(button.textContent); this.draw(); }; });
      this.$("svg").onclick = event => this.choose(event);
      this.observer = new ResizeObserver(() => { if (this.$("svg").clientWidth !== this.width) this.draw(); });
      this.observer.observe(this); this.draw();
    }
    disconnectedCallback() { this.observer?.disconnect(); }

    press(name) {
      const moved = this.rewards.map(r => name === "all alike" ? this.rewards[0] : Math.round(10 * r + (name === "all + 1" ? 10 : -10)) / 10);
      if (name.startsWith("all")) this.rewards = moved.every(r => Math.abs(r) <= LARGEST) ? moved : this.rewards;
      else if (name === "other samples") this.seed += RUNS;
      else this.steps = Math.min(MOST, parseInt(name) ? this.steps + parseInt(name) : 0);
    }
    choose(event) {                                // a click sets the start
      const name = "where you clicked", select = this.$("select"), box = this.$("svg").getBoundingClientRect();
      const first = 1 - (event.clientY - box.top - TOP) / this.tall, third = (event.clientX - box.left - PAD) / this.side - first / 2;
      const inside = [first, 1 - first - third, third].map(p => Math.max(0.01, p));
      if (!this.starts[name]) select.add(new Option(name));
      this.starts[name] = this.start = inside.map(p => p / sum(inside)); select.value = name; this.draw();
    }

    get problem() { return [this.start.map(Math.log), this.rewards, this.entropy, this.alpha]; }
    get exact() { return ascent(...this.problem, this.steps); }
    get runs() { return each(RUNS, k => sampled(...this.problem, this.baseline, this.steps, generator(this.seed + k))); }
    get goal() { return policy(this.rewards.map(r => r / Math.max(this.entropy, 1e-9))); }    // proportional to exp(r / c)

    draw() {
      const r = this.rewards, c = this.entropy, plot = this.$("svg"), theta = this.exact.at(-1), now = policy(theta);
      this.width = plot.clientWidth || 320; this.side = this.width - 2 * PAD; this.tall = this.side * Math.sqrt(0.75);
      const at = p => [PAD + this.side * (p[2] + p[0] / 2), TOP + this.tall * (1 - p[0])].map(x => x.toFixed(1)), bottom = TOP + this.tall + 20, [x, y] = at(this.goal);
      const line = (kind, path) => `<polyline class="${kind}" points="${path.map(z => at(policy(z))).join(" ")}"></polyline>`, disc = (kind, p, size) => `<circle class="${kind}" cx="${at(p)[0]}" cy="${at(p)[1]}" r="${size}"></circle>`;
      const text = (label, px, py, anchor) => `<text x="${px}" y="${py}" text-anchor="${anchor}">${label}</text>`, runs = this.runs.map(run => run.path);
      plot.setAttribute("height", bottom + 6);
      plot.innerHTML = `<polygon class="axis" points="${each(3, a => at(near(a))).join(" ")}"></polygon>` + this.field(at)
        + text(NAMES[0], this.width / 2, TOP - 10, "middle") + text(NAMES[1], 0, bottom, "start") + text(NAMES[2], this.width, bottom, "end")
        + `<path class="goal" d="M${x - 6} ${y - 6}l12 12m0-12l-12 12"></path>` + runs.map(path => line("run", path)).join("") + line("exact", this.exact)
        + disc("start", this.start, 5) + (this.steps ? runs.map(path => disc("run", policy(path.at(-1)), 4.5)).join("") + disc("exact", now, 7) : "");
      plot.setAttribute("aria-label", `Triangle of all policies. Exact gradient at ${words(now)}; best policy ${words(this.goal)}.`);
      const slope = gradient(theta, r, c), spread = [false, true].map(baseline => variance(theta, r, c, baseline));
      const row = (first, ...rest) => `<tr><th scope="row">${first}</th>${rest.map(cell => `<td>${minus(cell, 3)}</td>`).join("")}</tr>`;
      this.$("table").innerHTML = `<tr><td></td><th scope="col">probability</th><th scope="col">gradient</th></tr>${now.map((p, a) => row(NAMES[a], p, slope[a])).join("")}
        <tr><td></td><th scope="col">no baseline</th><th scope="col">baseline</th></tr>${row("variance", ...spread)}`;
      this.all("[type=range]").forEach(input => {
        const own = input.name in this, shown = minus(input.value = own ? this[input.name] : r[input.name], own ? 2 : 1);
        input.nextElementSibling.value = shown;
      });
      this.$("p").textContent = this.sentence(now, runs.map(path => dot(policy(path.at(-1)), r)), spread, square(slope));
    }
    field(at) {                                    // how the gradient moves the policy
      const darts = [];
      for (let i = 1; i < SIDES - 1; i++) for (let j = 1; i + j < SIDES; j++) {
        const p = [i, j, SIDES - i - j].map(k => k / SIDES), g = gradient(p.map(Math.log), this.rewards, this.entropy), mean = dot(p, g), v = p.map((q, a) => q * (g[a] - mean));
        darts.push([...at(p), this.side * (v[2] + v[0] / 2), -this.tall * v[0]]);
      }
      const longest = Math.max(1e-9, ...darts.map(([, , u, v]) => Math.hypot(u, v))), cell = this.side / SIDES;
      return `<path class="field" d="${darts.map(([x, y, u, v]) => {
        const size = Math.hypot(u, v) || 1, a = u / size * 2.2, b = v / size * 2.2, [dx, dy] = [u, v].map(each => each / longest * cell);
        return `M${+x - b} ${+y + a}l${2 * b} ${-2 * a}l${dx - b} ${dy + a}z`;
      }).join("")}"></path>`;
    }
    sentence(now, ends, [without, withBaseline], length) {
      const r = this.rewards, high = Math.max(...r), likely = now.indexOf(Math.max(...now)), sure = now[likely] > 0.9;
      const place = this.entropy ? "With the entropy bonus the best policy lies inside the triangle."
        : r.every(one => one === r[0]) ? `All arms pay the same: the gradient is zero everywhere${r[0] && !this.baseline ? ", and yet the sampled runs move" : ""}.`
        : !sure ? "The same number added to all rewards changes neither the darts nor the blue path, only the samples."
        : r[likely] < high ? `A plateau: ${NAMES[likely]} has nearly all of the probability, and each component of the gradient has a probability as a factor. Hardly anything leads away.`
        : "Near the best corner the gradient fades too: the last of the probability comes slowly.";
      return `After ${this.steps} steps the exact gradient earns ${minus(dot(now, r))} of at most ${minus(high)}, the sampled runs ${this.baseline ? "with" : "without"} baseline ${minus(Math.min(...ends))} to ${minus(Math.max(...ends))}. `
        + `One sample has the variance ${minus(without, 3)} without and ${minus(withBaseline, 3)} with the baseline; the squared length of the gradient is ${minus(length, 3)}. ${place}`;
    }
  }
  // Scripts stand in the head: wait for the content.
  const define = () => customElements.get("policy-simplex") || customElements.define("policy-simplex", PolicySimplex);
  document.readyState === "loading" ? document.addEventListener("DOMContentLoaded", define) : define();
})();
