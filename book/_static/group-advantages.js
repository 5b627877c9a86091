/* <group-advantages rewards="1 0 0 1 0 0 0 1">
   The rewards of a group of answers, each with a slider, and the advantages that they get, as
   rlkit.group_objective.group_advantages: mean of all or of the others, divided by the sample deviation plus 1e-4 or not.
   A group of equal rewards gets exactly 0. tests/browser compares every advantage with rlkit. No dependency, no network. */
(() => {
  const HEIGHT = 200, LEFT = 40, RIGHT = 6, TOP = 12, BOTTOM = 12, OFFSET = 1e-4;

  const STYLE = `
    :host { display: block; margin: 1.8rem 0; color: var(--pst-color-text-base); font: 1rem/1.5 var(--book-sans, sans-serif);
      border: 1px solid var(--pst-color-border); border-radius: .6rem; padding: 1rem 1.1rem; max-width: 39rem; box-sizing: border-box; }
    .row { display: flex; flex-wrap: wrap; gap: .5rem 1.2rem; align-items: center; margin: 0 0 .8rem; }
    label { display: inline-flex; align-items: center; gap: .45rem; }
    button:hover { border-color: var(--pst-color-primary); }
    :focus-visible { outline: 3px solid var(--pst-color-primary); outline-offset: 2px; }
    input, select { accent-color: var(--pst-color-primary); min-height: 1.5rem; }
    select, button { font: inherit; color: inherit; background: var(--pst-color-surface, transparent); border: 1px solid var(--pst-color-border);
      border-radius: .35rem; padding: .2rem .6rem; min-height: 2rem; }
    button { cursor: pointer; }
    .rewards { display: flex; padding: 0 ${RIGHT}px 0 ${LEFT}px; }
    .rewards label { flex: 1; flex-direction: column; gap: 0; font-variant-numeric: tabular-nums; font-size: .9rem; }
    .rewards input { writing-mode: vertical-lr; direction: rtl; width: 1.5rem; height: 7rem; margin: .2rem 0; }
    .title { margin: .2rem 0 0; font-size: .95rem; font-weight: 600; }
    svg { display: block; width: 100%; overflow: visible; }
    svg text { fill: var(--figure-ink); font: .88rem var(--book-sans, sans-serif); font-variant-numeric: tabular-nums; }
    .axis { stroke: var(--figure-ink); stroke-width: 1; opacity: .55; }
    .up { fill: var(--figure-blue); } .down { fill: var(--figure-orange); }
    .status { margin: .8rem 0 0; min-height: 6em; } @media (min-width: 48rem) { .status { min-height: 4.5em; } }`;
  const PRESETS = {
    "one right": n => Array.from({ length: n }, (_, i) => +(i === 0)),
    "half right": n => Array.from({ length: n }, (_, i) => +(i < n / 2)),
    "one wrong": n => Array.from({ length: n }, (_, i) => +(i > 0)),
    "all alike": n => Array(n).fill(0.9),
  };
  const sign = (x, digits = 2) => (Math.abs(x) < 0.5 * 10 ** -digits ? 0 : x).toFixed(digits).replace("-", "−");

  class GroupAdvantages extends HTMLElement {
    /* The formula ------------------------------------------------------------------------------------------- */
    static summary(rewards) {
      const n = rewards.length, mean = rewards.reduce((sum, r) => sum + r, 0) / n;
      const deviation = Math.sqrt(rewards.reduce((sum, r) => sum + (r - mean) ** 2, 0) / Math.max(1, n - 1));
      return { n, mean, deviation, equal: rewards.every(r => r === rewards[0]) };
    }
    static advantages(rewards, divide, baseline) {
      const { n, mean, deviation, equal } = GroupAdvantages.summary(rewards);
      if (equal) return rewards.map(() => 0);
      const others = baseline === "leave_one_out" ? n / (n - 1) : 1;     // r - (sum - r) / (n - 1) = (r - mean) n / (n - 1)
      return rewards.map(r => (r - mean) * others / (divide ? deviation + OFFSET : 1));
    }

    connectedCallback() {
      if (this.shadowRoot) return;
      this.rewards = (this.getAttribute("rewards") || "1 0 0 1 0 0 0 1").trim().split(/[\s,]+/).map(Number);
      if (this.rewards.length < 2 || this.rewards.length > 12 || !this.rewards.every(r => r >= 0 && r <= 1))
        throw new Error(`group-advantages: rewards is "${this.getAttribute("rewards")}", expected 2 to 12 numbers from 0 to 1`);
      this.divide = true; this.baseline = "mean";
      this.attachShadow({ mode: "open" }).innerHTML = `<style>${STYLE}</style>
        <div class="row">
          <label><input type="checkbox" name="divide" checked> divide by the deviation</label>
          <label>baseline <select name="baseline"><option value="mean">mean of all</option><option value="leave_one_out">mean of the others</option></select></label>
        </div>
        <div class="row" role="group" aria-label="rewards to begin with">${Object.keys(PRESETS).map(name => `<button type="button">${name}</button>`).join("")}</div>
        <p class="title">Advantages</p>
        <svg class="plot" role="img" height="${HEIGHT}"></svg>
        <p class="title">Rewards</p>
        <div class="rewards">${this.rewards.map((r, i) => `<label><span></span><input type="range" aria-label="reward of answer ${i + 1}" min="0" max="1" step="0.05" value="${r}">${i + 1}</label>`).join("")}</div>
        <p class="status" role="status" aria-live="polite"></p>`;
      this.$ = selector => this.shadowRoot.querySelector(selector);
      this.sliders = [...this.shadowRoot.querySelectorAll(".rewards input")];
      this.sliders.forEach((slider, i) => { slider.oninput = () => { this.rewards[i] = Number(slider.value); this.draw(); }; });
      this.$("[name=divide]").onchange = event => { this.divide = event.target.checked; this.draw(); };
      this.$("[name=baseline]").onchange = event => { this.baseline = event.target.value; this.draw(); };
      this.shadowRoot.querySelectorAll("button").forEach(button => {
        button.onclick = () => { this.rewards = PRESETS[button.textContent](this.rewards.length); this.draw(); };
      });
      this.observer = new ResizeObserver(() => { if (this.$(".plot").clientWidth !== this.width) this.draw(); });
      this.observer.observe(this); this.draw();
    }
    disconnectedCallback() { this.observer?.disconnect(); }

    get advantages() { return GroupAdvantages.advantages(this.rewards, this.divide, this.baseline); }

    draw() {
      const plot = this.$(".plot"), now = this.advantages, n = now.length;
      const highest = this.divide ? Math.max(2, ...now.map(Math.abs)) : 1;
      this.width = plot.clientWidth || 320;
      const wide = (this.width - LEFT - RIGHT) / n;
      const x = i => LEFT + i * wide, y = a => TOP + (highest - a) / (2 * highest) * (HEIGHT - TOP - BOTTOM);
      const line = (x1, y1, x2, y2) => `<line class="axis" x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}"></line>`;
      const levels = this.divide ? [-2, -1, 0, 1, 2] : [-1, -0.5, 0, 0.5, 1];
      plot.innerHTML = line(LEFT, TOP, LEFT, HEIGHT - BOTTOM) + line(LEFT, y(0), x(n), y(0))
        + levels.map(v => line(LEFT - 4, y(v), LEFT, y(v)) + `<text x="${LEFT - 8}" y="${y(v) + 5}" text-anchor="end">${sign(v, this.divide ? 0 : 1)}</text>`).join("")
        + now.map((a, i) => `<rect class="${a > 0 ? "up" : "down"}" x="${x(i) + wide * 0.2}" y="${Math.min(y(0), y(a))}" width="${wide * 0.6}" height="${Math.abs(y(a) - y(0))}"></rect>`).join("");
      plot.setAttribute("aria-label", `Advantages of ${n} answers: ${now.map(a => sign(a)).join(", ")}`);
      this.sliders.forEach((slider, i) => { slider.value = this.rewards[i]; slider.previousElementSibling.textContent = String(this.rewards[i]); });
      this.$(".status").textContent = this.sentence(now);
    }
    sentence(now) {
      const { mean, deviation, equal } = GroupAdvantages.summary(this.rewards);
      const start = `Mean reward ${mean.toFixed(2)}, standard deviation ${deviation.toFixed(3)}.`;
      if (equal) return `${start} All rewards are equal: every advantage is exactly 0, the group teaches nothing, and its samples were for nothing.`;
      const largest = now.reduce((best, a, i) => Math.abs(a) > Math.abs(now[best]) + 1e-12 ? i : best, 0);
      const alike = now.filter(a => Math.abs(a - now[largest]) < 1e-12).length;
      const who = alike === 1 ? `answer ${largest + 1} alone` : `answer ${largest + 1} and ${alike - 1} more`;
      return `${start} The largest advantage in size, ${sign(now[largest])}, belongs to ${who}. ${this.divide
        ? "Rewards that are all twice as large, or all larger by the same amount, would give nearly the same bars."
        : "Rewards that are all twice as large would give bars twice as large: prompts with larger spread count more."}`;
    }
  }
  // Scripts stand in the head: wait until the element's content has been read.
  const define = () => customElements.get("group-advantages") || customElements.define("group-advantages", GroupAdvantages);
  document.readyState === "loading" ? document.addEventListener("DOMContentLoaded", define) : define();
})();
