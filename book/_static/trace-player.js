/* <trace-player tokens><script type="application/json">{"title": "...", "traces": [...]}</script></trace-player>
   Steps through episodes of an agent: what it wrote and read, reward, cost, tokens and who wrote them.
   A trace is what rlkit.agents.traces.trace gives. tests/browser compares what is shown with the file.
   No dependency. */
(() => {
  const INTERVAL = 1800, WIDE = 560;  // ms between turns while it plays; px from which episodes begin side by side

  const STYLE = `
    :host { display: block; margin: 1.8rem 0; color: var(--pst-color-text-base); font: 1rem/1.45 var(--book-sans, sans-serif);
      border: 1px solid var(--pst-color-border); border-radius: .6rem; padding: 1rem 1.1rem; max-width: 46rem; box-sizing: border-box; }
    p, h3, ol, ul { margin: 0; padding: 0; list-style: none; }
    h3, .title { font: 600 1rem/1.4 var(--book-sans, sans-serif); }
    h3::first-letter { text-transform: uppercase; }
    .row, .group { display: flex; flex-wrap: wrap; gap: .35rem 1.2rem; align-items: center; margin: .6rem 0; }
    .group { gap: .35rem; margin: 0; }
    button { font: inherit; color: inherit; background: var(--pst-color-surface, transparent); border: 1px solid var(--pst-color-border);
      border-radius: .35rem; padding: .2rem .7rem; min-height: 2rem; min-width: 2.3rem; cursor: pointer; }
    button svg { display: block; width: 1rem; fill: currentColor; margin: auto; }
    [aria-disabled=true] { opacity: .45; cursor: default; }
    [aria-pressed=true] { border-color: var(--pst-color-primary); box-shadow: inset 0 0 0 1px var(--pst-color-primary); font-weight: 600; }
    .play { min-width: 4.6rem; }
    label { display: inline-flex; align-items: center; gap: .45rem; }
    input { accent-color: var(--pst-color-primary); width: 1.1rem; height: 1.5rem; margin: 0; }
    :focus-visible { outline: 3px solid var(--pst-color-primary); outline-offset: 2px; }
    .traces { margin: .8rem 0 0; display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 15rem), 1fr)); gap: 1rem 1.4rem; }
    .totals { display: flex; flex-wrap: wrap; gap: 0 .8rem; margin: 0 0 .4rem; padding: 0 0 .4rem; border-bottom: 1px solid var(--pst-color-border); }
    section { min-width: 0; font-variant-numeric: tabular-nums; }
    .episode { max-height: 27rem; overflow-y: auto; position: relative; padding: 2px; background: var(--scrolls); }
    .episode li { display: grid; grid-template-columns: 2rem minmax(0, 1fr) auto; gap: .5rem; padding: .3rem .3rem .3rem .1rem; border-radius: .35rem; }
    .episode .now { background: var(--tint, #8882); }
    .future > :not(.number) { visibility: hidden; }
    .number { min-width: 0; min-height: 0; width: 1.9rem; height: 1.9rem; padding: 0; border-radius: 50%; font-size: .9rem; }
    .now .number { background: var(--pst-color-primary); border-color: var(--pst-color-primary); color: var(--pst-color-background, #fff); }
    .future .number { background: none; border-style: dashed; color: var(--pst-color-text-muted); }
    .text, .reward { overflow-wrap: anywhere; padding-top: .2rem; text-align: right; }
    .text { display: grid; gap: .15rem; text-align: left; }
    .totals, .note, small, .environment { color: var(--pst-color-text-muted); }
    code, b { font: .9rem/1.5 var(--pst-font-family-monospace, monospace); white-space: pre-wrap; }
    .totals b { font: inherit; font-weight: 600; color: var(--pst-color-text-base); }
    .wrote code, .policy b { background: color-mix(in srgb, var(--figure-blue, #0072b2) 20%, transparent); border-radius: .25rem; padding: .05rem .25rem; }
    .gain { font-weight: 600; }
    .unsafe { color: var(--wrong, #b84300); font-weight: 600; }
    .note { font-size: .92rem; }
    .episode .fresh { border-top: 2px dashed var(--pst-color-border); border-radius: 0; }
    .tokens { display: flex; flex-wrap: wrap; gap: .2rem .3rem; }
    .tokens span { display: inline-flex; flex-direction: column; align-items: center; }
    .tokens small { font-size: .8rem; line-height: 1.2; }
    .key { display: flex; flex-wrap: wrap; gap: .1rem 1.2rem; margin: .7rem 0 0; font-size: .95rem; }
    .status { margin: .7rem 0; min-height: 4.4em; white-space: pre-line; }
    .hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
    @media (prefers-reduced-motion: no-preference) { li { transition: background-color .25s; } .episode { scroll-behavior: smooth; } }
    @media print { .row, .status { display: none; } .episode { max-height: none; } .future > :not(.number) { visibility: visible; } }`;

  const escape = text => String(text).replace(/[&<>"]/g, each => `&#${each.charCodeAt(0)};`);
  const number = x => (Math.abs(x) < 0.005 ? 0 : x).toFixed(2).replace("-", "−");
  const seen = token => escape(token.replace(/\n/g, "⏎").replace(/^ +| +$/g, spaces => "␣".repeat(spaces.length)) || "∅");
  const probability = p => (p > 0 && p < 0.005 ? "&lt;0.01" : p.toFixed(2));
  const said = text => text.trim() || "nothing";
  const capital = text => text[0].toUpperCase() + text.slice(1);
  const MOVES = { Home: ["to the start", "M2 2h2v12H2zM14 2v12L5 8z"], ArrowLeft: ["one turn back", "M12 2v12L3 8z"],
    ArrowRight: ["one turn on", "M4 2v12l9-6z"], End: ["to the end", "M12 2h2v12h-2zM2 2v12l9-6z"] };  // by key

  class TracePlayer extends HTMLElement {
    /* What the file says */
    // Of cost and seconds only where the file has them turn by turn.
    static totals({ turns }, count) {
      const sum = name => turns.slice(0, count).reduce((total, turn) => total + turn[name], 0);
      return { reward: sum("reward"), ...(turns.every(turn => "cost" in turn) ? { cost: sum("cost"), seconds: sum("seconds") } : {}) };
    }
    static outcome({ success, truncated }) {
      const how = truncated ? "The episode was cut off, for want of room" : "The episode has ended";
      return success === undefined ? `${how}.` : `${how}: ${{ 0: "no success", 1: "success" }[success] ?? `success ${number(success)}`}.`;
    }
    static sentence(trace, count) {
      const { turns } = trace, { reward, cost } = TracePlayer.totals(trace, count), turn = turns[count - 1], next = turns[count];
      if (!turn) return `Before turn 1 of ${turns.length}. The agent read: ${said(next.read)}.`;
      const answer = !next ? `and the environment answered: ${said(trace.final)}`
        : `${next.context === turn.context ? "and" : "and a fresh context began, in which it"} read: ${said(next.read)}`;
      return `Turn ${count} of ${turns.length}. The agent wrote ${said(turn.wrote)} ${answer}.${turn.unsafe ? " This was unsafe." : ""}`
        + ` Reward ${number(turn.reward)}, total ${number(reward)}${cost === undefined ? "" : `, cost ${number(cost)}`}.`
        + (next ? "" : ` ${TracePlayer.outcome(trace)}`);
    }

    connectedCallback() {
      if (this.shadowRoot) return;
      if (document.readyState === "loading") { document.addEventListener("DOMContentLoaded", () => this.connectedCallback()); return; }
      const { title, traces = [], chosen } = JSON.parse(this.querySelector("script[type='application/json']")?.textContent || "{}");
      if (!traces.length || traces.some(trace => !trace.turns?.length)) throw new Error("trace-player: no trace, or one without a turn");
      const every = traces.map((_, k) => k), choices = traces.map(trace => trace.label);
      if (traces.length > 1) choices.push("side by side");
      this.traces = traces; this.turn = 0;
      this.attachShadow({ mode: "open" }).innerHTML = `<style>${STYLE}</style>
        ${title ? `<p class="title">${escape(title)}</p>` : ""}
        <div class="row">${traces.length > 1 ? `<div class="group" role="group" aria-label="episode">${choices.map(label => `<button type="button" class="choice">${escape(label)}</button>`).join("")}</div>` : ""}
          <label><input type="checkbox"${this.hasAttribute("tokens") ? " checked" : ""}> show tokens</label></div>
        <div class="group" role="group" aria-label="step through the turns">${Object.entries(MOVES).map(([name, [label, path]]) =>
          `<button type="button" name="${name}" aria-label="${label}"><svg viewBox="0 0 16 16" aria-hidden="true"><path d="${path}"></path></svg></button>`).join("")}
          <button type="button" class="play">Play</button></div>
        <div class="traces"></div><ul class="key"></ul><p class="status" role="status" aria-live="polite"></p>
        ${chosen ? `<p class="note">How the task was chosen: ${escape(chosen.rule)}. Its seed is ${chosen.seed}.</p>` : ""}`;
      this.shown = this.clientWidth < WIDE ? [0] : every;  // only now is the element as wide as its box
      this.$ = selector => this.shadowRoot.querySelector(selector);
      this.$$ = selector => [...this.shadowRoot.querySelectorAll(selector)];
      const go = turn => { this.stop(); this.show(turn); };
      const moves = { Home: () => go(0), ArrowLeft: () => go(this.turn - 1), ArrowRight: () => go(this.turn + 1), End: () => go(this.end) };
      for (const name in moves) this.$(`[name=${name}]`).onclick = moves[name];
      this.$(".play").onclick = () => (this.timer ? this.stop() : this.play());
      this.$("input").onchange = () => this.fill();
      this.$$(".choice").forEach((button, k) => { button.onclick = () => { this.shown = k < traces.length ? [k] : every; this.show(this.turn); }; });
      this.$(".traces").onclick = event => { if (event.target.matches(".number")) go(Number(event.target.textContent)); };
      this.shadowRoot.addEventListener("keydown", event => {
        if (!moves[event.key] || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
        event.preventDefault(); moves[event.key]();
      });
      this.fill();
    }
    disconnectedCallback() { clearInterval(this.timer); }

    // Nothing moves before the reader asks for it, and it stops at the end.
    play() {
      if (this.turn >= this.end) this.show(0);
      this.$(".play").textContent = "Pause";
      this.timer = setInterval(() => { this.show(this.turn + 1); if (this.turn >= this.end) this.stop(); }, INTERVAL);
    }
    stop() { clearInterval(this.timer); this.timer = null; this.$(".play").textContent = "Play"; }
    // Turns of the longest episode that is shown.
    get end() { return Math.max(...this.shown.map(k => this.traces[k].turns.length)); }

    /* What is seen */
    fill() {
      this.tokens = this.$("input").checked;
      this.$(".traces").innerHTML = this.traces.map(trace => `<section><h3>${escape(trace.label)}</h3><p class="totals"></p>
        <div class="episode" tabindex="0" role="group" aria-label="turns ${escape(trace.label)}; arrow keys step"><ol>${this.rows(trace)}</ol></div></section>`).join("");
      this.$(".key").innerHTML = this.tokens
        ? `<li class="policy"><b>token</b> of the agent, trained on; below it its probability</li><li class="environment"><b>token</b> of the environment, not trained on</li>`
        : `<li class="wrote"><code>text</code> written by the agent</li><li><code>text</code> of the environment</li>`;
      this.show(this.turn);
    }
    rows(trace) {
      const part = (kind, word, text, tokens, probabilities) => this.tokens && tokens
        ? `<p class="tokens">${tokens.map((token, k) => `<span class="${probabilities ? "policy" : "environment"}"><b>${seen(token)}</b>${probabilities ? `<small>${probability(probabilities[k])}</small>` : ""}</span>`).join("")}</p>`
        : `<p class="${kind}"><span class="hidden">${word}: </span><code>${escape(text || "∅")}</code></p>`;
      const read = turn => part("read", "read", turn.read, turn.read_tokens);
      const row = (at, kind, text, reward = "") => `<li data-turn="${at}" class="${kind}">${kind === "fresh" ? "<span></span>"
        : `<button type="button" class="number" aria-label="${at ? `turn ${at}` : "the task"}">${at}</button>`}<div class="text">${text}</div><div class="reward">${reward}</div></li>`;
      return row(0, "task", read(trace.turns[0])) + trace.turns.map((turn, k) => {
        const next = trace.turns[k + 1], fresh = next && next.context !== turn.context;
        const answer = fresh ? "" : next ? read(next) : part("final", "answer", trace.final) + `<p class="note">${TracePlayer.outcome(trace)}</p>`;
        return row(k + 1, "turn", part("wrote", "wrote", turn.wrote, turn.wrote_tokens, turn.probabilities) + answer,
          `<span class="gain">${turn.reward >= 0.005 ? "+" : ""}${number(turn.reward)}</span>${turn.unsafe ? '<br><span class="unsafe">unsafe</span>' : ""}`)
          + (fresh ? row(k + 1, "fresh", `<p class="note">A fresh context: nothing above is read any more.</p>${read(next)}`) : "");
      }).join("");
    }
    show(turn) {
      this.turn = Math.min(Math.max(turn, 0), this.end);
      const all = this.shown.length > 1, at = this.traces.map(trace => Math.min(this.turn, trace.turns.length));
      this.$$(".choice").forEach((button, k) => button.setAttribute("aria-pressed", all ? k === this.traces.length : k === this.shown[0]));
      this.$$("section").forEach((section, k) => {
        const trace = this.traces[k], box = section.querySelector(".episode"), ended = at[k] === trace.turns.length;
        section.hidden = !this.shown.includes(k);
        for (const row of box.querySelectorAll("li")) {
          row.classList.toggle("future", row.dataset.turn > at[k]);
          row.classList.toggle("now", row.dataset.turn == at[k]);
          row.querySelector(".number")?.setAttribute("aria-current", row.dataset.turn == at[k] ? "step" : "false");
        }
        const { reward, cost = ended ? trace.cost : undefined, seconds = ended ? trace.latency : undefined } = TracePlayer.totals(trace, at[k]);
        section.querySelector(".totals").innerHTML = "<span>so far:</span>" + [["reward", number(reward)], ["cost", cost?.toFixed(2)], ["time", seconds?.toFixed(1)]]
          .map(([name, value]) => value === undefined ? "" : `<span>${name} <b>${value}${name === "time" ? " s" : ""}</b></span>`).join("");
        // The box of the episode scrolls, never the page.
        const rows = [...box.querySelectorAll(".now")], top = rows[0].offsetTop, bottom = rows.at(-1).offsetTop + rows.at(-1).offsetHeight;
        if (bottom > box.scrollTop + box.clientHeight || top < box.scrollTop) box.scrollTop = Math.min(top, bottom - box.clientHeight / 2);
      });
      for (const name in MOVES) this.$(`[name=${name}]`).setAttribute("aria-disabled", this.turn === (/Home|Left/.test(name) ? 0 : this.end));
      this.$(".status").textContent = this.shown.map(k => (all ? `${capital(this.traces[k].label)}: ` : "")
        + (at[k] < this.turn ? `ended after turn ${at[k]}.` : TracePlayer.sentence(this.traces[k], at[k]))).join("\n");
    }
  }
  // Scripts stand in the head: wait until the element's content has been read.
  const define = () => customElements.get("trace-player") || customElements.define("trace-player", TracePlayer);
  document.readyState === "loading" ? document.addEventListener("DOMContentLoaded", define) : define();
})();
