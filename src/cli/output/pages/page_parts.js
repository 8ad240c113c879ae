// What all scripts of the fleet's page are made of: its data, elements, amounts, the tip, the theme.
// Text reaches the page as text only, never as HTML.
const data = JSON.parse(document.getElementById("data").textContent);
const words = number => data.texts[number] ?? "";

function make(tag, className = "", ...content) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...content);
  return made;
}
const drawings = document.getElementById("drawings").namespaceURI;
function drawn(tag, attributes = {}, ...content) {
  const made = document.createElementNS(drawings, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...content);
  return made;
}

function amount(n, units, least) {
  for (const [unit, size] of units)
    if (n >= size) return (n < 999.5 * size ? (n / size).toPrecision(3) : Math.round(n / size)) + " " + unit;
  return Math.round(n) + " " + least;
}
const bytes = n => amount(n, [["GB", 2 ** 30], ["MB", 2 ** 20], ["KB", 2 ** 10]], "B");
const time = us => amount(us, [["s", 1e6], ["ms", 1e3]], "µs");
const share = (part, whole) => (whole > 0 ? (100 * part / whole).toFixed(1) + " %" : "-");

// Round figures from 0 to `most`, some five of them.
function steps(most, from = 0, binary = false) {
  const rough = (most - from) / 5 || 1, base = binary ? 2 ** Math.floor(Math.log2(rough)) : 10 ** Math.floor(Math.log10(rough));
  const step = (binary ? [1, 2] : [1, 2, 5, 10]).map(n => n * base).find(n => n >= rough) ?? base;
  const all = [];
  for (let at = Math.ceil(from / step) * step; at <= most && all.length < 50; at += step) all.push(at);
  return all;
}

const tip = document.getElementById("tip");
function showTip(x, y, title, ...lines) {
  tip.replaceChildren(make("b", "", title), ...lines.filter(line => line !== "").map(line => (typeof line === "string" ? make("span", "", line) : line)));
  tip.style.display = "block";
  tip.style.left = Math.max(4, Math.min(x + 12, innerWidth - tip.offsetWidth - 8)) + "px";
  tip.style.top = (y + 18 + tip.offsetHeight > innerHeight ? Math.max(4, y - tip.offsetHeight - 12) : y + 18) + "px";
}
const hideTip = () => { tip.style.display = "none"; };
addEventListener("scroll", hideTip, { passive: true, capture: true });

// Draws when the place comes near the screen, and again when its width changes.
const near = new IntersectionObserver(entries => entries.forEach(({ isIntersecting, target }) => {
  if (!isIntersecting) return;
  near.unobserve(target);
  widths.observe(target);
}), { rootMargin: "600px" });
const widths = new ResizeObserver(entries => entries.forEach(({ target, contentRect }) => {
  if (contentRect.width > 0 && contentRect.width !== target.drawnAt) {
    target.drawnAt = contentRect.width;
    target.draw();
  }
}));
function whenSeen(place, draw) {
  place.draw = draw;
  near.observe(place);
}
addEventListener("beforeprint", () => document.querySelectorAll("[data-function]").forEach(place => place.draw?.()));

const root = document.documentElement;
const setTheme = dark => { root.dataset.theme = dark ? "dark" : "light"; };
document.getElementById("theme").onclick = () =>
  setTheme((root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "light");
