// When an invocation waited for what: a lane for each thread, zoomed by wheel, keys and buttons.
const KINDS = { network: "network", dns: "DNS", file: "files", lock: "locks", sleep: "sleep", child: "children", import: "imports", wait: "threads, events", other: "other" };
const ON_PATH = 1, PROBABLY = 2;
const kindOf = word => (Object.hasOwn(KINDS, word) ? word : "other");

// The waits of an invocation, as the data has them, by name.
const waitsOf = invocation => invocation.waits.map(([at, took, call, spentOn, target, thread, stack, open, path]) => ({
  at, took, end: at + took, call: words(call), kind: kindOf(words(spentOn)), target: words(target), thread: words(thread), stack: words(stack), open: open === 1, path, lane: words(spentOn) === "import" ? "imports" : words(thread) }));
const frames = stack => make("span", "stack", stack.split("; ").join("\n"));

class Waterfall {
  constructor(place, invocation) {
    this.waits = waitsOf(invocation);
    this.invocation = invocation;
    this.handler = words(invocation.handler);
    this.whole = Math.max(invocation.us, ...this.waits.map(wait => wait.end), 1);
    this.view = [0, this.whole];
    this.chosen = 0;
    this.ticks = make("div", "ticks");
    this.lanes = [...new Set(this.waits.map(wait => wait.lane))].sort((a, b) => (b === this.handler) - (a === this.handler)).map(thread => this.lane(thread));
    this.box = make("div", "waterfall", this.tools(), make("div", "axis", make("span", "name"), this.ticks), ...this.lanes.map(lane => lane.row), this.legend());
    this.box.tabIndex = -1;
    this.box.setAttribute("role", "group");
    this.box.setAttribute("aria-label", `Waits over ${time(this.whole)}: arrow keys choose, plus and minus zoom, 0 shows all`);
    this.box.onkeydown = event => this.key(event);
    this.box.addEventListener("wheel", event => this.wheel(event), { passive: false });
    this.box.onpointerleave = hideTip;
    place.append(this.box);
    this.draw();
  }

  lane(thread) {
    const handles = thread === this.handler && thread !== "";
    const name = make("div", "name" + (handles ? " handler" : ""), thread || "(thread not named)"), track = make("div", "track" + (handles ? " handler" : ""));
    name.title = handles ? `${thread}: handles the request` : thread;
    this.drags(track);
    return { thread, handles, track, row: make("div", "lane", name, track), waits: this.waits.filter(wait => wait.lane === thread) };
  }

  tools() {
    const button = (label, says, act) => {
      const made = make("button", "", label);
      made.setAttribute("aria-label", says);
      made.title = says;
      made.onclick = act;
      return made;
    };
    this.says = make("span", "dim");
    this.says.setAttribute("role", "status");
    return make("div", "tools", button("+", "Zoom in", () => this.zoom(0.5)), button("−", "Zoom out", () => this.zoom(2)), button("←", "Earlier", () => this.move(-0.4)),
      button("→", "Later", () => this.move(0.4)), button("Reset", "Show all", () => this.show(0, this.whole)), this.says);
  }

  legend() {
    const entry = (className, label) => make("span", "", make("i", className), label), seen = new Set(this.waits.map(wait => wait.kind));
    const entries = Object.keys(KINDS).filter(kind => seen.has(kind)).map(kind => entry(`c-${kind}`, KINDS[kind]));
    if (this.handler !== "") entries.push(entry("gap", "CPU, or waits that the line does not list"), entry("onpath", "on the critical path"));
    if (this.waits.some(wait => wait.path === PROBABLY)) entries.push(entry("onpath probably", "probably on it: another thread, while the handler waited"));
    return make("div", "legend", ...entries);
  }

  show(from, to) {
    const least = Math.min(this.whole, 20), span = Math.min(this.whole, Math.max(least, to - from));
    const start = Math.max(0, Math.min(this.whole - span, from));
    this.view = [start, start + span];
    this.draw();
  }
  zoom(by, around = 0.5) {
    const [from, to] = this.view, at = from + (to - from) * around, span = (to - from) * by;
    this.show(at - span * around, at + span * (1 - around));
  }
  // What is chosen stays where it is, if it is seen.
  zoomChosen(by) {
    const [from, to] = this.view, { at, end } = this.waits[this.chosen], middle = ((Math.max(at, from) + Math.min(end, to)) / 2 - from) / (to - from);
    this.zoom(by, middle >= 0 && middle <= 1 ? middle : 0.5);
  }
  move(by) {
    const [from, to] = this.view, step = (to - from) * by;
    this.show(from + step, to + step);
  }
  // The wheel scrolls the page, unless the waterfall has the focus or Ctrl is held.
  wheel(event) {
    const track = event.target.closest(".track, .ticks");
    if (!track || !(event.ctrlKey || event.metaKey || this.box.contains(document.activeElement))) return;
    event.preventDefault();
    const box = track.getBoundingClientRect();
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) this.move(Math.sign(event.deltaX) * 0.1);
    else this.zoom(event.deltaY < 0 ? 0.8 : 1.25, (event.clientX - box.left) / box.width);
  }
  drags(track) {
    track.onpointerdown = event => {
      const start = event.clientX, [from, to] = this.view;
      if (event.button !== 0 || to - from >= this.whole) return;
      const moved = next => {
        const by = (start - next.clientX) / track.clientWidth * (to - from);
        this.show(from + by, to + by);
      };
      addEventListener("pointermove", moved);
      addEventListener("pointerup", () => removeEventListener("pointermove", moved), { once: true });
    };
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const lane = wait => this.lanes.findIndex(one => one.thread === wait.lane), now = this.waits[this.chosen];
    const near = step => {
      const other = this.lanes[lane(now) + step]?.waits ?? [];
      return other.reduce((best, wait) => (best && Math.abs(best.at - now.at) <= Math.abs(wait.at - now.at) ? best : wait), null);
    };
    const keys = {
      "+": () => this.zoomChosen(0.5), "=": () => this.zoomChosen(0.5), "-": () => this.zoomChosen(2), 0: () => this.show(0, this.whole), Escape: () => this.show(0, this.whole),
      ArrowLeft: () => this.choose(this.chosen - 1), ArrowRight: () => this.choose(this.chosen + 1), Home: () => this.choose(0), End: () => this.choose(this.waits.length - 1),
      ArrowUp: () => this.choose(this.waits.indexOf(near(-1))), ArrowDown: () => this.choose(this.waits.indexOf(near(1))),
    };
    if (!Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    keys[event.key]();
  }
  choose(at) {
    const wait = this.waits[at];
    if (!wait) return;
    this.chosen = at;
    const [from, to] = this.view;
    if (wait.end <= from || wait.at >= to) this.show(wait.at - (to - from) / 2, wait.at + (to - from) / 2);
    else this.draw();
    wait.bar.focus();
  }

  sayWait(wait, x, y) {
    showTip(x, y, wait.target ? `${wait.call} ${wait.target}` : wait.call || "(call not named)",
      `began at ${time(wait.at)}, ${wait.open ? "had not ended after" : "took"} ${time(wait.took)}: ${share(wait.took, this.whole)} of ${time(this.whole)}`,
      `${wait.kind === "import" ? "code that init reads or runs" : `spent on ${KINDS[wait.kind]}`}; thread ${wait.thread || "not named"}` + (wait.path === ON_PATH ? "; on the critical path" : wait.path === PROBABLY ? "; probably on the critical path" : ""),
      wait.stack ? frames(wait.stack.split("; ").slice(0, 8).join("; ")) : "no frame of the program's own is known");
  }
  bar(wait, put) {
    const bar = make("button", `bar c-${wait.kind}${wait.open ? " open" : ""}`, wait.target ? `${wait.call} ${wait.target}` : wait.call);
    put(bar, wait.at, wait.end);
    bar.tabIndex = this.waits[this.chosen] === wait ? 0 : -1;
    bar.setAttribute("aria-label", `${wait.call} ${wait.target}, at ${time(wait.at)}, for ${time(wait.took)}, ${KINDS[wait.kind]}, thread ${wait.thread}`);
    bar.onclick = bar.onpointermove = event => this.sayWait(wait, event.clientX, event.clientY);
    bar.onpointerleave = bar.onblur = hideTip;
    bar.onfocus = () => {
      this.chosen = this.waits.indexOf(wait);
      const box = bar.getBoundingClientRect();
      if (bar.matches(":focus-visible")) this.sayWait(wait, box.left, box.bottom);
    };
    bar.ondblclick = () => this.show(wait.at - wait.took * 0.1, wait.end + wait.took * 0.1);
    wait.bar = bar;
    return bar;
  }
  gaps(lane, put) {
    const gap = (from, to) => {
      if (to - from < this.whole / 5000) return [];
      const made = make("span", "gap");
      put(made, from, to);
      made.onpointermove = event => showTip(event.clientX, event.clientY, `${time(to - from)} not in a listed wait`, `from ${time(from)} to ${time(to)}`, "CPU, or waits that the line does not list");
      made.onpointerleave = hideTip;
      return [made];
    };
    let at = 0;
    const all = lane.waits.flatMap(wait => { const made = gap(at, wait.at); at = Math.max(at, wait.end); return made; });
    return [...all, ...gap(at, this.whole)];
  }

  draw() {
    const [from, to] = this.view, percent = at => 100 * (at - from) / (to - from);
    const put = (piece, begin, end) => { piece.style.left = `${percent(begin)}%`; piece.style.width = `${percent(end) - percent(begin)}%`; };
    const focused = this.box.contains(document.activeElement) && document.activeElement.classList.contains("bar");
    hideTip();
    for (const lane of this.lanes) {
      const seen = lane.waits.filter(wait => wait.end >= from && wait.at <= to);
      const underlines = seen.filter(wait => wait.path).map(wait => {
        const line = make("i", "onpath" + (wait.path === PROBABLY ? " probably" : ""));
        put(line, wait.at, wait.end);
        return line;
      });
      lane.track.replaceChildren(...(lane.handles ? this.gaps(lane, put) : []), ...seen.map(wait => this.bar(wait, put)), ...underlines, ...this.marks(percent));
    }
    this.ticks.replaceChildren(...steps(to, from).filter(at => percent(at) < 95).map(at => {
      const tick = make("span", "", at === 0 ? "0" : time(at).replace(/\.0+ /, " "));
      tick.style.left = `${percent(at)}%`;
      return tick;
    }));
    this.says.textContent = to - from < this.whole ? `${time(from)} to ${time(to)} of ${time(this.whole)}` : "+ − zoom, arrows choose; Ctrl and wheel zoom";
    if (focused) (this.waits[this.chosen].bar?.isConnected ? this.waits[this.chosen].bar : this.box).focus();
  }
  marks(percent) {
    const all = [], mark = (at, className, says) => {
      if (percent(at) < 0 || percent(at) > 100) return;
      const made = make("span", className);
      made.style.left = `${percent(at)}%`;
      made.title = says;
      all.push(made);
    };
    if (this.invocation.response) mark(this.invocation.response, "mark", "the answer was sent");
    return all;
  }
}
