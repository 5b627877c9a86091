/* <clipped-surrogate ratio="1.3" advantage="1" clip-range="0.2">
   The clipped objective of one step of PPO against the probability ratio w, and whether its gradient is on:
   min(w A, clip(w, 1 - epsilon, 1 + epsilon) A), as rlkit.ppo.clipped_surrogate.
   tests/browser compares value and gradient with rlkit. No dependency, no network. */
(() => {
  const WIDEST = 2, HIGHEST = 3, HEIGHT = 280, LEFT = 42, RIGHT = 10, TOP = 10, BOTTOM = 44;

  const STYLE = `
    :host { display: block; margin: 1.8rem 0; color: var(--pst-color-text-base); font: 1rem/1.5 var(--book-sans, sans-serif);
      border: 1px solid var(--pst-color-border); border-radius: .6rem; padding: 1rem 1.1rem; max-width: 39rem; box-sizing: border-box; }
    .row { display: flex; flex-wrap: wrap; gap: .5rem 1.4rem; align-items: center; margin: 0 0 .8rem; }
    label { display: inline-flex; align-items: center; gap: .45rem; }
    @media (max-width: 30rem) { label:has([type=range]) { display: flex; width: 100%; } label > [type=range] { margin-left: auto; } }
    output { min-width: 2.9em; font-variant-numeric: tabular-nums; }
    input { accent-color: var(--pst-color-primary); min-height: 1.5rem; width: 7rem; }
    :focus-visible { outline: 3px solid var(--pst-color-primary); outline-offset: 2px; }
    svg { display: block; width: 100%; touch-action: pan-y; cursor: crosshair; overflow: visible; }
    svg text { fill: var(--figure-ink); font: .88rem var(--book-sans, sans-serif); font-variant-numeric: tabular-nums; }
    .axis { stroke: var(--figure-ink); stroke-width: 1; opacity: .55; }
    .band { fill: var(--figure-ink); opacity: .09; }
    .objective { fill: none; stroke-width: 3.5; stroke-linejoin: round; }
    .on { stroke: var(--figure-blue); }
    .off { stroke: var(--figure-orange); stroke-dasharray: 1 6; stroke-linecap: round; stroke-width: 4.5; }
    .unclipped { stroke: var(--figure-ink); stroke-width: 1.3; stroke-dasharray: 5 4; opacity: .8; }
    .guide { stroke: var(--figure-ink); stroke-width: 1; opacity: .5; }
    .point { stroke: var(--figure-paper); stroke-width: 2; fill: var(--figure-blue); }
    .point.zero { fill: var(--figure-orange); }
    .key { display: flex; flex-wrap: wrap; gap: .1rem 1.2rem; margin: .3rem 0 0; padding: 0; list-style: none; font-size: .95rem; }
    .key li { display: inline-flex; align-items: center; gap: .5rem; }
    .key svg { width: 2.2rem; height: .8rem; cursor: default; }
    .status { margin: .8rem 0 0; min-height: 4.5em; }
    .help { margin: .3rem 0 0; font-size: .9rem; color: var(--pst-color-text-muted); }`;
  const sign = (x, digits = 2) => x.toFixed(digits).replace("-", "−");
  const key = (kind, text) => `<li><svg viewBox="0 0 36 12" aria-hidden="true"><line class="${kind}" x1="2" y1="6" x2="34" y2="6"></line></svg>${text}</li>`;

  class ClippedSurrogate extends HTMLElement {
    /* The formulas ---------------------------------------------------------------------------------------- */
    static value(ratio, advantage, clipRange) {
      const clipped = Math.min(Math.max(ratio, 1 - clipRange), 1 + clipRange);
      return Math.min(ratio * advantage, clipped * advantage);
    }
    static gradient(ratio, advantage, clipRange) {   // with respect to the ratio; on the bounds it is still on
      const off = advantage > 0 ? ratio > 1 + clipRange : ratio < 1 - clipRange;
      return off ? 0 : advantage;
    }
    static sentence(ratio, advantage, clipRange) {
      const low = (1 - clipRange).toFixed(2), high = (1 + clipRange).toFixed(2);
      const value = `The objective is ${sign(ClippedSurrogate.value(ratio, advantage, clipRange))}.`;
      if (advantage === 0) return `${value} The advantage is zero: the gradient is zero, and this step asks for nothing.`;
      const good = advantage > 0, slope = sign(advantage), above = ratio > 1 + clipRange, below = ratio < 1 - clipRange;
      const start = `${value} The advantage is ${good ? "positive" : "negative"} and the ratio is`;
      if (good ? above : below) return `${start} already ${good ? `above ${high}` : `below ${low}`}: the gradient is zero. This step asks for no further change.`;
      if (good ? below : above) return `${start} ${good ? `below ${low}` : `above ${high}`}, the wrong way: the minimum takes w A, which is not clipped. `
        + `The gradient is ${slope} and pulls the ratio back ${good ? "up" : "down"}.`;
      return `${start} between ${low} and ${high}: nothing is clipped. The gradient is ${slope} and makes the action ${good ? "more" : "less"} likely.`;
    }

    connectedCallback() {
      if (this.shadowRoot) return;
      const number = (name, fallback) => this.hasAttribute(name) ? Number(this.getAttribute(name)) : fallback;
      this.ratio = number("ratio", 1.3); this.advantage = number("advantage", 1); this.clipRange = number("clip-range", 0.2);
      const slider = (name, label, min, max, step) =>
        `<label>${label} <input type="range" name="${name}" min="${min}" max="${max}" step="${step}" value="${this[name]}"><output></output></label>`;
      this.attachShadow({ mode: "open" }).innerHTML = `<style>${STYLE}</style>
        <div class="row">${slider("ratio", "ratio w", 0, WIDEST, 0.01)}${slider("advantage", "advantage A", -1.5, 1.5, 0.1)}${slider("clipRange", "clip range ε", 0, 0.5, 0.05)}</div>
        <svg class="plot" role="img" height="${HEIGHT}"></svg>
        <ul class="key">${key("objective on", "objective, gradient on")}${key("objective off", "objective, gradient zero")}${key("unclipped", "w A")}</ul>
        <p class="status" role="status" aria-live="polite"></p>
        <p class="help">Move the sliders, or press on the picture to set the ratio. The shaded band is 1 − ε to 1 + ε.</p>`;
      this.$ = selector => this.shadowRoot.querySelector(selector);
      this.shadowRoot.querySelectorAll("input").forEach(input => {
        input.oninput = () => { this[input.name] = Number(input.value); this.draw(); };
      });
      const plot = this.$(".plot");
      plot.onpointerdown = plot.onpointermove = event => {
        if (!event.buttons) return;
        const share = (event.clientX - plot.getBoundingClientRect().left - LEFT) / (this.width - LEFT - RIGHT);
        this.ratio = Math.round(Math.min(1, Math.max(0, share)) * WIDEST * 100) / 100; this.draw();
      };
      this.observer = new ResizeObserver(() => { if (plot.clientWidth !== this.width) this.draw(); });
      this.observer.observe(this); this.draw();
    }
    disconnectedCallback() { this.observer?.disconnect(); }

    get value() { return ClippedSurrogate.value(this.ratio, this.advantage, this.clipRange); }
    get gradient() { return ClippedSurrogate.gradient(this.ratio, this.advantage, this.clipRange); }

    draw() {
      const plot = this.$(".plot"), { advantage, clipRange } = this;
      this.width = plot.clientWidth || 320;
      const x = ratio => LEFT + ratio / WIDEST * (this.width - LEFT - RIGHT);
      const y = value => TOP + (HIGHEST - value) / (2 * HIGHEST) * (HEIGHT - TOP - BOTTOM);
      const low = Math.max(0, 1 - clipRange), high = 1 + clipRange, at = r => ClippedSurrogate.value(r, advantage, clipRange);
      const line = (kind, x1, y1, x2, y2) => `<line class="${kind}" x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}"></line>`;
      const piece = (from, to) => line(`objective ${ClippedSurrogate.gradient((from + to) / 2, advantage, clipRange) || !advantage ? "on" : "off"}`, x(from), y(at(from)), x(to), y(at(to)));
      const text = (label, px, py, anchor) => `<text x="${px}" y="${py}" text-anchor="${anchor}">${label}</text>`;
      const ratios = [0, 0.5, 1, 1.5, 2], values = [-3, -2, -1, 0, 1, 2, 3], bottom = y(-HIGHEST);
      plot.innerHTML = `<rect class="band" x="${x(low)}" y="${TOP}" width="${x(high) - x(low)}" height="${bottom - TOP}"></rect>`
        + line("axis", x(0), TOP, x(0), bottom) + line("axis", x(0), y(0), x(WIDEST), y(0))
        + ratios.map(r => line("axis", x(r), bottom - 4, x(r), bottom) + text(r, x(r), bottom + 16, "middle")).join("")
        + values.map(v => line("axis", x(0) - 4, y(v), x(0), y(v)) + text(String(v).replace("-", "−"), x(0) - 8, y(v) + 5, "end")).join("")
        + text("probability ratio w", x(WIDEST / 2), bottom + 36, "middle")
        + line("unclipped", x(0), y(0), x(WIDEST), y(WIDEST * advantage))
        + piece(0, low) + piece(low, high) + piece(high, WIDEST)
        + line("guide", x(this.ratio), y(this.value), x(this.ratio), bottom)
        + `<circle class="point${this.gradient || !advantage ? "" : " zero"}" cx="${x(this.ratio)}" cy="${y(this.value)}" r="7"></circle>`;
      plot.setAttribute("aria-label", `Objective against the ratio from 0 to 2 at advantage ${sign(advantage, 1)}: `
        + (advantage > 0 ? `rises up to the ratio ${high.toFixed(2)}, then flat` : advantage < 0 ? `flat up to the ratio ${low.toFixed(2)}, then falls` : "zero everywhere"));
      this.shadowRoot.querySelectorAll("input").forEach(input => { input.value = this[input.name]; input.nextElementSibling.value = sign(this[input.name]); });
      this.$(".status").textContent = ClippedSurrogate.sentence(this.ratio, advantage, clipRange);
    }
  }
  // Scripts stand in the head: wait until the element's content has been read.
  const define = () => customElements.get("clipped-surrogate") || customElements.define("clipped-surrogate", ClippedSurrogate);
  document.readyState === "loading" ? document.addEventListener("DOMContentLoaded", define) : define();
})();
