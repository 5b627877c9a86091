/* <frame-player figure="fig-catch-film" frames="10" margin="20" rows="untrained | trained"></frame-player>
   Plays a figure that is a strip of frames side by side: it shows one column of the figure at a time. margin: the share
   of the figure's width, in percent, left of the frames; rows: what stands beside the rows of a frame. Nothing moves
   before the reader asks for it, and it stops at the last frame. Without JavaScript the whole strip is seen.
   No dependency, no network. */
(() => {
  const INTERVAL = 350, WIDEST = 240;  // ms between frames; px of one frame

  const STYLE = `
    :host { display: block; margin: 1rem 0 1.8rem; color: var(--pst-color-text-base); font: 1rem/1.5 var(--book-sans, sans-serif); }
    .view { display: flex; justify-content: center; margin-bottom: .6rem; }
    .rows { display: flex; flex-direction: column; max-width: 8rem; padding-right: .6rem; text-align: right; line-height: 1.3; }
    .rows[hidden] { display: none; }
    .rows span { flex: 1 1 0; display: flex; align-items: center; justify-content: flex-end; }
    .window { overflow: hidden; flex: none; }
    .strip { display: block; transform-origin: 0 0; max-width: none; }
    .row { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: center; justify-content: center; }
    button { font: inherit; color: inherit; cursor: pointer; background: var(--pst-color-surface, transparent); border: 1px solid var(--pst-color-border);
      border-radius: .35rem; padding: .2rem .6rem; min-height: 2rem; min-width: 4.6rem; }
    button:hover { border-color: var(--pst-color-primary); }
    label { display: inline-flex; align-items: center; gap: .45rem; }
    input { accent-color: var(--pst-color-primary); min-height: 1.5rem; width: 11rem; }
    output { min-width: 5.5em; font-variant-numeric: tabular-nums; }
    :focus-visible { outline: 3px solid var(--pst-color-primary); outline-offset: 2px; }`;

  class FramePlayer extends HTMLElement {
    connectedCallback() {
      if (this.shadowRoot) return;
      if (document.readyState === "loading") { document.addEventListener("DOMContentLoaded", () => this.connectedCallback()); return; }
      const name = this.getAttribute("figure"), figure = document.getElementById(name);
      const picture = figure?.querySelector("svg, img");
      if (!picture) throw new Error(`frame-player: the page has no picture in a figure named ${name}`);
      this.frames = Number(this.getAttribute("frames"));
      this.attachShadow({ mode: "open" }).innerHTML = `<style>${STYLE}</style>
        <div class="view"><div class="rows"></div><div class="window" aria-hidden="true"></div></div>
        <div class="row"><button type="button">Play</button>
        <label>frame <input type="range" min="1" max="${this.frames}" value="1" step="1"></label><output></output></div>`;
      this.$ = selector => this.shadowRoot.querySelector(selector);
      this.strip = picture.cloneNode(true);
      this.strip.removeAttribute("id"); this.strip.removeAttribute("role");
      this.strip.setAttribute("class", "strip"); this.strip.style.cssText = "";
      this.$(".window").append(this.strip);
      for (const row of (this.getAttribute("rows") || "").split("|")) {
        if (row.trim()) this.$(".rows").appendChild(document.createElement("span")).textContent = row.trim();
      }
      this.$(".rows").hidden = !this.$(".rows").childElementCount;
      this.$("input").oninput = () => { this.stop(); this.show(Number(this.$("input").value)); };
      this.$("button").onclick = () => (this.timer ? this.stop() : this.play());
      this.ratio = this.shape(picture);
      this.show(1);
      this.observer = new ResizeObserver(() => this.show(this.frame));
      this.observer.observe(this);
    }
    disconnectedCallback() { this.stop(); this.observer?.disconnect(); }

    // Width of the whole strip by its height.
    shape(picture) {
      const box = picture.viewBox?.baseVal;
      if (box?.width) return box.width / box.height;
      if (picture.naturalWidth) return picture.naturalWidth / picture.naturalHeight;
      picture.addEventListener("load", () => { this.ratio = this.shape(picture); this.show(this.frame); }, { once: true });
      return 2;
    }
    play() {
      if (this.frame >= this.frames) this.show(1);
      this.$("button").textContent = "Pause";
      this.timer = setInterval(() => { this.show(this.frame + 1); if (this.frame >= this.frames) this.stop(); }, INTERVAL);
    }
    stop() {
      clearInterval(this.timer); this.timer = null;
      if (this.shadowRoot) this.$("button").textContent = "Play";
    }
    show(frame) {
      this.frame = Math.min(Math.max(frame, 1), this.frames);
      const room = (this.clientWidth || 320) - this.$(".rows").offsetWidth, margin = Number(this.getAttribute("margin")) / 100;
      const wide = Math.min(room, Number(this.getAttribute("width")) || WIDEST), whole = wide * this.frames / (1 - margin);
      const height = whole / this.ratio;
      Object.assign(this.$(".window").style, { width: `${wide}px`, height: `${height}px` });
      Object.assign(this.strip.style, { width: `${whole}px`, height: `${height}px`, transform: `translateX(${-margin * whole - (this.frame - 1) * wide}px)` });
      this.$("input").value = this.frame;
      this.$("output").value = `${this.frame} of ${this.frames}`;
    }
  }
  const define = () => customElements.get("frame-player") || customElements.define("frame-player", FramePlayer);
  document.readyState === "loading" ? document.addEventListener("DOMContentLoaded", define) : define();
})();
