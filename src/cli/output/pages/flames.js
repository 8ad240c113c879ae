// The flame graphs of a function, in a box: a click zooms, a search marks. Whole pages of them: `lamprey report --flame`.
const ROW = 21 * EM;

// [depth, frame, values...] in the order of a walk, as nodes.
function flameTree(nodes, view) {
  const path = [];
  for (const [depth, frame, ...values] of nodes) {
    const node = { name: depth === 0 ? "all" : words(frame), depth, value: Math.max(0, values[view]), parent: path[depth - 1] ?? null, children: [] };
    path[depth] = node;
    if (node.value > 0) node.parent?.children.push(node);
  }
  return path[0];
}

class FlameGraph {
  constructor(place, flames) {
    this.flames = flames;
    this.amount = flames.unit === "bytes" ? bytes : ns => time(ns / 1000);
    this.box = make("div", "flames");
    this.says = make("span", "dim");
    this.says.setAttribute("role", "status");
    this.word = "";
    const search = make("input");
    search.type = "search";
    search.placeholder = "search frames";
    search.setAttribute("aria-label", `Search frames: ${flames.heading}`);
    search.style.width = "10rem";
    search.oninput = () => { this.word = search.value.trim().toLowerCase(); this.draw(); };
    this.buttons = flames.views.map(([label], view) => {
      const button = make("button", "", label);
      button.onclick = () => this.show(view);
      return button;
    });
    this.box.onclick = ({ target }) => { if (target.node) this.zoom(target.node); };
    this.box.onpointermove = event => (event.target.node ? this.tip(event.target.node, event.clientX, event.clientY) : hideTip());
    this.box.onpointerleave = hideTip;
    this.box.onfocusin = ({ target }) => {
      const at = target.getBoundingClientRect();
      if (target.node && target.matches(":focus-visible")) this.tip(target.node, at.left, at.bottom);
    };
    this.box.onfocusout = hideTip;
    this.box.onkeydown = event => this.key(event);
    place.replaceChildren(make("div", "flame-tools", ...this.buttons, search, this.says), this.box);
    const first = flames.views.findIndex((_, view) => flames.nodes[0][2 + view] > 0);
    this.show(Math.max(0, first));
  }

  show(view) {
    this.view = view;
    this.buttons.forEach((button, at) => button.setAttribute("aria-pressed", String(at === view)));
    this.tree = flameTree(this.flames.nodes, view);
    this.zoom(this.tree);
  }
  zoom(node) {
    const focused = this.box.contains(document.activeElement);
    this.zoomed = node;
    this.draw();
    if (focused) node.button.focus();
  }
  tip(node, x, y) {
    showTip(x, y, node.name, `${this.amount(node.value)} ${this.flames.views[this.view][1]}: ${share(node.value, this.tree.value)} of all`,
      node.parent ? `${share(node.value, node.parent.value)} of its caller's` : "");
  }
  key(event) {
    const node = event.target.node, beside = step => node.parent?.children[node.parent.children.indexOf(node) + step];
    const to = { ArrowDown: () => node.children[0], ArrowUp: () => node.parent, ArrowLeft: () => beside(-1), ArrowRight: () => beside(1) }[event.key];
    if (node && to) {
      event.preventDefault();
      to()?.button?.focus();
    } else if (event.key === "Escape") this.zoom(this.zoomed.parent ?? this.tree);
  }

  draw() {
    const wide = this.box.clientWidth, pieces = [];
    let deepest = 0;
    const put = (node, left, width, above) => {
      node.button = null;
      if (width < 0.5) return;
      deepest = Math.max(deepest, node.depth);
      const button = make("button", (above ? "above " : "") + (this.word && node.name.toLowerCase().includes(this.word) ? "hit" : ""), width < 24 ? "" : node.name);
      button.style.cssText = `left:${left}px;top:${node.depth * ROW}px;width:${Math.max(width, 1)}px;background:${frameColour(node.name)}${width < 10 ? ";padding:0" : ""}`;
      button.setAttribute("aria-label", `${node.name}, ${this.amount(node.value)}, ${share(node.value, this.tree.value)}`);
      button.tabIndex = node === this.zoomed ? 0 : -1;
      button.node = node;
      node.button = button;
      pieces.push(button);
      if (above) return;
      for (const child of node.children) {
        const part = width * child.value / node.value;
        put(child, left, part, false);
        left += part;
      }
    };
    for (let up = this.zoomed.parent; up; up = up.parent) put(up, 0, wide, true);
    put(this.zoomed, 0, wide, false);
    this.box.replaceChildren(...pieces, Object.assign(make("div"), { style: `height:${(deepest + 1) * ROW}px` }));
    const matched = node => (node.name.toLowerCase().includes(this.word) ? node.value : node.children.reduce((sum, child) => sum + matched(child), 0));
    this.says.textContent = this.tree.value === 0 ? `nothing in "${this.flames.views[this.view][0]}"`
      : `${this.amount(this.zoomed.value)} ${this.flames.views[this.view][1]}` + (this.word ? `; ${share(matched(this.zoomed), this.zoomed.value)} matched` : "");
  }
}

for (const kind of ["memory", "cpu"])
  document.querySelectorAll(`.flames-${kind}[data-function]`).forEach(place => whenSeen(place, () => {
    if (place.graph) place.graph.draw();
    else place.graph = new FlameGraph(place, data.functions[place.dataset.function][kind]);
  }));
