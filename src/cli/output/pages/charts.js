// How durations and memory went over the invocations of a function.
const EM = parseFloat(getComputedStyle(document.documentElement).fontSize) / 14;  // larger on the largest screens
const HIGH = 190 * EM, LEFT = 62 * EM, RIGHT = 56 * EM, TOP = 12, BOTTOM = 22 * EM;

// A frame with levels, and how figures become places in it. `most` is what must fit.
function chartFrame(place, count, stride, most, wordsOf, log, least) {
  const wide = Math.max(240, place.clientWidth), picture = drawn("svg", { class: "chart", viewBox: `0 0 ${wide} ${HIGH}`, role: "img" });
  const across = at => LEFT + (wide - LEFT - RIGHT) * (count < 2 ? 0.5 : (at + 0.5) / count);
  const part = value => (log ? Math.log(Math.max(value, least) / least) / Math.log(most / least) : value / most);
  const up = value => HIGH - BOTTOM - (HIGH - BOTTOM - TOP) * Math.min(1, part(value));
  const levels = log ? [...Array(12).keys()].map(n => 10 ** (n + Math.floor(Math.log10(least)))).filter(v => v >= least && v <= most)
    : steps(most, 0, wordsOf === bytes);
  for (const level of levels) {
    picture.append(drawn("line", { class: "rule", x1: LEFT, x2: wide - RIGHT, y1: up(level), y2: up(level) }),
      drawn("text", { x: LEFT - 8, y: up(level) + 4, "text-anchor": "end" }, level === 0 ? "0" : wordsOf(level).replace(/\.0+ /, " ")));
  }
  const last = ((count - 1) * stride + 1).toLocaleString("en");
  picture.append(drawn("text", { x: LEFT, y: HIGH - 5 }, "1"), drawn("text", { x: wide - RIGHT, y: HIGH - 5, "text-anchor": "end" }, count > 1 ? `line ${last}${stride > 1 ? " and on" : ""}` : ""));
  return { picture, across, up, wide };
}

// Labels on the right that keep clear of each other.
function levelLines(frame, levels) {
  let before = Infinity;
  for (const [value, label, kind] of levels.sort((a, b) => a[0] - b[0])) {
    const y = frame.up(value), text = Math.min(y + 4, before - 12);
    frame.picture.append(drawn("line", { class: kind, x1: LEFT, x2: frame.wide - RIGHT, y1: y, y2: y }), drawn("text", { x: frame.wide - RIGHT + 6, y: text }, label));
    before = text;
  }
}

// The point below the pointer is said in words.
function pointed(frame, points, say) {
  const cursor = drawn("line", { class: "cursor", y1: TOP, y2: HIGH - BOTTOM, visibility: "hidden" });
  frame.picture.append(cursor);
  frame.picture.onpointermove = event => {
    const box = frame.picture.getBoundingClientRect(), x = (event.clientX - box.left) * frame.wide / box.width;
    const at = Math.max(0, Math.min(points.length - 1, Math.floor((x - LEFT) / (frame.wide - LEFT - RIGHT) * points.length)));
    cursor.setAttribute("x1", frame.across(at));
    cursor.setAttribute("x2", frame.across(at));
    cursor.setAttribute("visibility", "visible");
    showTip(event.clientX, event.clientY, ...say(at));
  };
  frame.picture.onpointerleave = () => { cursor.setAttribute("visibility", "hidden"); hideTip(); };
}

const legend = (...entries) => make("div", "legend", ...entries.map(([shape, label]) =>
  make("span", "", drawn("svg", { viewBox: "0 0 10 10" }, shape), label)));
const diamond = (x, y, r) => drawn("path", { class: "cold", d: `M${x} ${y - r}L${x + r} ${y}L${x} ${y + r}L${x - r} ${y}Z` });
const cross = (x, y, r) => drawn("path", { class: "worse", d: `M${x - r} ${y - r}L${x + r} ${y + r}M${x + r} ${y - r}L${x - r} ${y + r}` });
const lines = (at, { stride, count }) => stride === 1 ? `line ${(at + 1).toLocaleString("en")}`
  : `lines ${(at * stride + 1).toLocaleString("en")} to ${Math.min(count, (at + 1) * stride).toLocaleString("en")}`;

function drawDurations(place, of) {
  const { points, stride } = of.durations, most = Math.max(...points.map(p => p[1]), 1);
  const least = Math.max(1, Math.min(...points.map(p => p[0]))), log = most > 30 * Math.max(of.p50 ?? 1, 1);
  const frame = chartFrame(place, points.length, stride, most * (log ? 1.2 : 1.04), time, log, least);
  let cold = false, bad = false;
  if (of.durations.count >= 5) levelLines(frame, [[of.p50, "p50", "level"], [of.p99, "p99", "level"]]);
  points.forEach(([low, high, coldest = 0, worst = 0], at) => {
    const x = frame.across(at);
    if (low !== high) frame.picture.append(drawn("line", { class: "range", x1: x, x2: x, y1: frame.up(low), y2: frame.up(high) }));
    else if (!coldest && !worst) frame.picture.append(drawn("circle", { class: "dot", cx: x, cy: frame.up(high), r: 2.2 }));
    if (coldest) frame.picture.append(diamond(x, frame.up(coldest), 4));
    if (worst) frame.picture.append(cross(x, frame.up(worst), 4));
    cold ||= coldest > 0;
    bad ||= worst > 0;
  });
  frame.picture.setAttribute("aria-label", `Durations of ${of.durations.count} invocations, up to ${time(most)}, p50 ${time(of.p50)}, p99 ${time(of.p99)}`);
  pointed(frame, points, at => {
    const [low, high, coldest = 0, worst = 0] = points[at];
    return [lines(at, of.durations), low === high ? time(high) : `${time(low)} to ${time(high)}`, coldest ? `cold start: ${time(coldest)}` : "", worst ? `ended badly: ${time(worst)}` : ""];
  });
  place.replaceChildren(frame.picture, legend([drawn("circle", { class: "dot", cx: 5, cy: 5, r: 3 }), stride === 1 ? "an invocation" : `${stride.toLocaleString("en")} invocations, from the fastest to the slowest`],
    ...(cold ? [[diamond(5, 5, 4), "cold start"]] : []), ...(bad ? [[cross(5, 5, 4), "ended badly"]] : [])));
  if (log) place.lastChild.append(make("span", "", "logarithmic scale"));
}

function drawMemory(place, of) {
  const most = 1024 * Math.max(...of.resident.points, ...of.live.points, 1);
  const limit = of.limit && most > of.limit / 4 ? of.limit : 0, longest = of.resident.points.length >= of.live.points.length ? of.resident : of.live;
  const frame = chartFrame(place, longest.points.length, longest.stride, Math.max(most, limit) * 1.04, bytes, false, 1);
  const line = (trend, kind) => {
    const way = trend.points.map((p, at) => `${at === 0 ? "M" : "L"}${(LEFT + (frame.wide - LEFT - RIGHT) * (at + 0.5) / trend.points.length).toFixed(1)} ${frame.up(1024 * p).toFixed(1)}`).join("");
    frame.picture.append(trend.points.length === 1 ? drawn("circle", { class: `line ${kind}`, cx: frame.across(0), cy: frame.up(1024 * trend.points[0]), r: 3 })
      : drawn("path", { class: `line ${kind}`, d: way }));
  };
  if (limit) levelLines(frame, [[limit, "limit", "limit"]]);
  if (of.resident.count) line(of.resident, "");
  if (of.live.count) line(of.live, "second");
  frame.picture.setAttribute("aria-label", `Memory over ${longest.count} invocations, up to ${bytes(most)}`);
  pointed(frame, longest.points, at => {
    const level = trend => 1024 * trend.points[Math.min(trend.points.length - 1, Math.floor(at * trend.points.length / longest.points.length))];
    return [lines(at, longest), of.resident.count ? `resident at most ${bytes(level(of.resident))}` : "", of.live.count ? `live ${bytes(level(of.live))}` : "",
      of.limit ? `limit ${bytes(of.limit)}` : ""];
  });
  const sample = kind => drawn("path", { class: kind, d: "M0 5H10" });
  place.replaceChildren(frame.picture, legend(...(of.resident.count ? [[sample("line"), "resident at most"]] : []), ...(of.live.count ? [[sample("line second"), "live"]] : []),
    ...(limit ? [[sample("limit"), `limit ${bytes(of.limit)}`]] : [])));
}

for (const [kind, draw] of [["durations", drawDurations], ["memory", drawMemory]])
  document.querySelectorAll(`.${kind}[data-function]`).forEach(place => whenSeen(place, () => draw(place, data.functions[place.dataset.function])));
