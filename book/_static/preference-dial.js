/* <preference-dial kind="rewards" better="1" worse="0">          Bradley and Terry: two rewards
   <preference-dial kind="policy" beta="0.5" chosen="0.2" rejected="0.3" reference-chosen="0.2" reference-rejected="0.3">
   The probability that an answer is preferred, the loss of the pair and how hard it pulls, from two rewards
   (rlkit.reward_model.bradley_terry_loss) or from the implicit rewards of a policy beside its reference
   (rlkit.dpo.implicit_reward, rlkit.dpo.dpo_loss), where the rest of the probability belongs to other answers.
   tests/browser compares every number with rlkit. No dependency, no network. */
(() => {
  const HEIGHT = 230, LEFT = 38, RIGHT = 10, TOP = 10, BOTTOM = 44, WIDEST = 4, HIGHEST = 4.5, LEAST = 0.001;

  const STYLE = `
    :host { display: block; margin: 1.8rem 0; color: var(--pst-color-text-base); font: 1rem/1.5 var(--book-sans, sans-serif);
      border: 1px solid var(--pst-color-border); border-radius: .6rem; padding: 1rem 1.1rem; max-width: 39rem; box-sizing: border-box; }
    .row { display: flex; flex-wrap: wrap; gap: .5rem 1.4rem; align-items: center; margin: 0 0 .8rem; }
    label { display: inline-flex; align-items: center; gap: .45rem; }
    @media (max-width: 30rem) { label:has([type=range]) { display: flex; width: 100%; } label > [type=range] { margin-left: auto; } }
    output { min-width: 3.2em; font-variant-numeric: tabular-nums; }
    input { accent-color: var(--pst-color-primary); min-height: 1.5rem; width: 8rem; }
    button { font: inherit; color: inherit; background: var(--pst-color-surface, transparent); border: 1px solid var(--pst-color-border);
      border-radius: .35rem; padding: .2rem .6rem; min-height: 2rem; cursor: pointer; }
    button:hover { border-color: var(--pst-color-primary); }
    :focus-visible { outline: 3px solid var(--pst-color-primary); outline-offset: 2px; }
    svg { display: block; width: 100%; overflow: visible; }
    svg text { fill: var(--figure-ink); font: .88rem var(--book-sans, sans-serif); font-variant-numeric: tabular-nums; }
    .axis { stroke: var(--figure-ink); stroke-width: 1; opacity: .55; }
    .loss { fill: none; stroke: var(--figure-orange); stroke-width: 3; }
    .preferred { fill: none; stroke: var(--figure-blue); stroke-width: 3; stroke-dasharray: 7 4; }
    .guide { stroke: var(--figure-ink); stroke-width: 1; opacity: .5; }
    .point { stroke: var(--figure-paper); stroke-width: 2; }
    .point.loss-point { fill: var(--figure-orange); } .point.preferred-point { fill: var(--figure-blue); }
    .bar { fill: var(--figure-blue); } .before { fill: none; stroke: var(--figure-ink); stroke-width: 1.4; stroke-dasharray: 4 3; }
    .key { display: flex; flex-wrap: wrap; gap: .1rem 1.2rem; margin: .3rem 0 .6rem; padding: 0; list-style: none; font-size: .95rem; }
    .key li { display: inline-flex; align-items: center; gap: .5rem; }
    .key svg { width: 2.2rem; height: .8rem; }
    .status { margin: .8rem 0 0; min-height: 7.5em; } @media (min-width: 48rem) { .status { min-height: 4.5em; } }`;
  const sign = (x, digits = 2) => (Math.abs(x) < 0.5 * 10 ** -digits ? 0 : x).toFixed(digits).replace("-", "−");
  const share = p => p < 0.1 ? p.toFixed(3) : p.toFixed(2);
  const key = (kind, text) => `<li><svg viewBox="0 0 36 12" aria-hidden="true"><line class="${kind}" x1="2" y1="6" x2="34" y2="6"></line></svg>${text}</li>`;
  const logit = p => Math.log(p / (1 - p));

  class PreferenceDial extends HTMLElement {
    /* The formulas ------------------------------------------------------------------------------------------ */
    static sigmoid(u) { return u >= 0 ? 1 / (1 + Math.exp(-u)) : Math.exp(u) / (1 + Math.exp(u)); }
    static loss(u) { return Math.max(0, -u) + Math.log1p(Math.exp(-Math.abs(u))); }      // -log sigmoid(u)
    static implicitReward(probability, reference, beta) { return beta * (Math.log(probability) - Math.log(reference)); }

    connectedCallback() {
      if (this.shadowRoot) return;
      const number = (name, fallback) => this.hasAttribute(name) ? Number(this.getAttribute(name)) : fallback;
      this.ofPolicy = this.getAttribute("kind") === "policy";
      this.better = number("better", 1); this.worse = number("worse", 0); this.beta = number("beta", 0.5);
      this.chosen = number("chosen", 0.2); this.rejected = number("rejected", 0.3);
      this.before = { chosen: number("reference-chosen", this.chosen), rejected: number("reference-rejected", this.rejected) };
      if (this.chosen + this.rejected >= 1 || this.before.chosen + this.before.rejected >= 1)
        throw new Error("preference-dial: the probabilities of the two answers sum to 1 or more");
      const slider = (name, label, min, max, step) =>
        `<label>${label} <input type="range" name="${name}" aria-label="${label}" min="${min}" max="${max}" step="${step}"><output></output></label>`;
      const controls = this.ofPolicy
        ? slider("chosen", "policy: chosen", -6.9, 4, 0.05) + slider("rejected", "policy: rejected", -6.9, 4, 0.05) + slider("beta", "β", -2, 0.7, 0.05)
        : slider("better", "reward of the better", -3, 3, 0.1) + slider("worse", "reward of the worse", -3, 3, 0.1);
      const names = this.ofPolicy ? ["as the reference", "push apart", "both down"] : ["both + 1", "both − 1", "swap"];
      this.attachShadow({ mode: "open" }).innerHTML = `<style>${STYLE}</style>
        <div class="row">${controls}</div>
        <div class="row" role="group" aria-label="changes">${names.map(name => `<button type="button">${name}</button>`).join("")}</div>
        <svg class="plot" role="img" height="${HEIGHT}"></svg>
        <ul class="key">${key("loss", "loss of the pair")}${key("preferred", "probability that the better is preferred")}</ul>
        ${this.ofPolicy ? `<svg class="shares" role="img" height="120"></svg><ul class="key">${key("before", "reference (outline)")}</ul>` : ""}
        <p class="status" role="status" aria-live="polite"></p>`;
      this.$ = selector => this.shadowRoot.querySelector(selector);
      this.shadowRoot.querySelectorAll("input").forEach(input => {
        input.oninput = () => { this.set(input.name, Number(input.value)); this.draw(); };
      });
      this.shadowRoot.querySelectorAll("button").forEach(button => { button.onclick = () => { this.press(button.textContent); this.draw(); }; });
      this.observer = new ResizeObserver(() => { if (this.$(".plot").clientWidth !== this.width) this.draw(); });
      this.observer.observe(this); this.draw();
    }
    disconnectedCallback() { this.observer?.disconnect(); }

    /* Sliders of probabilities move the log-odds, and that of beta its logarithm (base 10). */
    set(name, value) {
      if (!this.ofPolicy) { this[name] = value; return; }
      if (name === "beta") { this.beta = 10 ** value; return; }
      const other = name === "chosen" ? "rejected" : "chosen";
      this[name] = PreferenceDial.sigmoid(value);
      this[other] = Math.max(LEAST / 10, Math.min(this[other], 1 - LEAST - this[name]));
      this[name] = Math.min(this[name], 1 - LEAST - this[other]);
    }
    press(name) {
      const { before } = this, bound = r => Math.max(-3, Math.min(3, r));
      if (name === "as the reference") Object.assign(this, before);
      else if (name === "push apart") { this.rejected = before.rejected / 10; this.chosen = Math.min(0.9 * (1 - this.rejected), before.chosen * 2); }
      else if (name === "both down") Object.assign(this, { chosen: before.chosen / 5, rejected: before.rejected / 50 });
      else if (name === "swap") [this.better, this.worse] = [this.worse, this.better];
      else { const step = name.endsWith("+ 1") ? 1 : -1; this.better = bound(this.better + step); this.worse = bound(this.worse + step); }
    }

    get rewards() {
      return this.ofPolicy ? ["chosen", "rejected"].map(name => PreferenceDial.implicitReward(this[name], this.before[name], this.beta)) : [this.better, this.worse];
    }
    get margin() { const [better, worse] = this.rewards; return better - worse; }
    get loss() { return PreferenceDial.loss(this.margin); }
    get pull() { return (this.ofPolicy ? this.beta : 1) * PreferenceDial.sigmoid(-this.margin); }

    draw() {
      const plot = this.$(".plot"), { margin } = this;
      this.width = plot.clientWidth || 320;
      const x = u => LEFT + (u + WIDEST) / (2 * WIDEST) * (this.width - LEFT - RIGHT), y = v => TOP + (HIGHEST - v) / HIGHEST * (HEIGHT - TOP - BOTTOM);
      const line = (kind, x1, y1, x2, y2) => `<line class="${kind}" x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}"></line>`;
      const text = (label, px, py, anchor) => `<text x="${px}" y="${py}" text-anchor="${anchor}">${label}</text>`;
      const grid = [...Array(81).keys()].map(k => -WIDEST + k / 10), curve = (kind, f) => `<polyline class="${kind}" points="${grid.map(u => `${x(u)},${y(f(u))}`).join(" ")}"></polyline>`;
      const shown = Math.max(-WIDEST, Math.min(WIDEST, margin)), point = (kind, f) => `<circle class="point ${kind}" cx="${x(shown)}" cy="${y(f(shown))}" r="6"></circle>`;
      plot.innerHTML = line("axis", LEFT, TOP, LEFT, y(0)) + line("axis", LEFT, y(0), x(WIDEST), y(0))
        + [0, 1, 2, 3, 4].map(v => line("axis", LEFT - 4, y(v), LEFT, y(v)) + text(v, LEFT - 8, y(v) + 5, "end")).join("")
        + [-4, -2, 0, 2, 4].map(u => line("axis", x(u), y(0) - 4, x(u), y(0)) + text(sign(u, 0), x(u), y(0) + 16, "middle")).join("")
        + text("difference of the two rewards", x(0), y(0) + 36, "middle")
        + line("guide", x(shown), TOP, x(shown), y(0)) + curve("loss", PreferenceDial.loss) + curve("preferred", PreferenceDial.sigmoid)
        + point("loss-point", PreferenceDial.loss) + point("preferred-point", PreferenceDial.sigmoid);
      plot.setAttribute("aria-label", `Loss and probability against the difference of the rewards, which is ${sign(margin)}`);
      this.shadowRoot.querySelectorAll("input").forEach(({ name }, k, all) => {
        const probability = name === "chosen" || name === "rejected";
        all[k].value = probability ? logit(this[name]) : name === "beta" ? Math.log10(this.beta) : this[name];
        const words = probability ? share(this[name]) : name === "beta" ? this.beta.toFixed(2) : sign(this[name], 1);
        all[k].nextElementSibling.value = words; all[k].setAttribute("aria-valuetext", words);
      });
      if (this.ofPolicy) this.drawShares();
      this.$(".status").textContent = this.sentence();
    }
    drawShares() {
      const rows = [["chosen", this.chosen, this.before.chosen], ["rejected", this.rejected, this.before.rejected],
        ["all others", 1 - this.chosen - this.rejected, 1 - this.before.chosen - this.before.rejected]];
      const left = 76, wide = this.width - left - 52, box = (kind, p, top, tall) => `<rect class="${kind}" x="${left}" y="${top}" width="${p * wide}" height="${tall}"></rect>`;
      this.$(".shares").innerHTML = rows.map(([name, now, before], k) => `<text x="${left - 8}" y="${24 + 38 * k}" text-anchor="end">${name}</text>`
        + box("bar", now, 10 + 38 * k, 20) + box("before", before, 6 + 38 * k, 28) + `<text x="${left + Math.max(now, before) * wide + 6}" y="${25 + 38 * k}">${share(now)}</text>`).join("");
      this.$(".shares").setAttribute("aria-label", rows.map(([name, now, before]) => `${name}: ${share(now)}, in the reference ${share(before)}`).join("; "));
    }
    sentence() {
      const { margin, loss, pull } = this, [better, worse] = this.rewards;
      const probability = PreferenceDial.sigmoid(margin), start = this.ofPolicy ? `Implicit rewards ${sign(better)} and ${sign(worse)}: ` : "";
      const numbers = `${start}the difference is ${sign(margin)}, so the better answer is preferred with probability ${share(probability)}. `
        + `The loss is ${loss.toFixed(3)}, and the pair pulls with ${pull.toFixed(3)}.`;
      const first = numbers[0].toUpperCase() + numbers.slice(1);
      if (!this.ofPolicy) return `${first} ${margin < 0 ? "The order is wrong: the pull is strong." : margin > 2 ? "The order is right by a wide margin: hardly any pull is left." : "Adding the same number to both rewards changes none of this."}`;
      const lost = this.chosen < 0.995 * this.before.chosen;
      return `${first} ${margin > 0.005 && lost
        ? "The loss is below that of the reference, and yet the chosen answer has become less likely than it was: likelihood displacement. The probability went to answers that are in no pair."
        : Math.abs(margin) <= 0.005 ? "The policy treats the two as the reference does." : margin > 0 ? "The chosen answer has gained on the rejected one." : "The rejected answer has gained on the chosen one: the pull is strong."}`;
    }
  }
  // Scripts stand in the head: wait until the element's content has been read.
  const define = () => customElements.get("preference-dial") || customElements.define("preference-dial", PreferenceDial);
  document.readyState === "loading" ? document.addEventListener("DOMContentLoaded", define) : define();
})();
