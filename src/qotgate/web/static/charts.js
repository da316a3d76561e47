// The charts of a security: the funds' positions and each day's trades, and the analysts' target prices.
// Numbers come from the API; in share units of the day asked for. Colours come from the style sheet.
"use strict";

const DAY = 86400;
const HEIGHT = 240;
let drawn = [];

const seconds = (day) => Date.parse(`${day}T00:00:00Z`) / 1000;
const isoDay = (at) => new Date(at * 1000).toISOString().slice(0, 10);
const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });
const shown = (value, sign) => (value == null ? "–" : (sign && value > 0 ? "+" : "") + whole.format(value));

async function getJson(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(String(answer.status));
  return answer.json();
}

function colours() {
  const style = getComputedStyle(document.documentElement);
  // light-dark() is resolved only where a property uses it.
  const probe = document.body.appendChild(document.createElement("i"));
  const of = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const found = {
    funds: [1, 2, 3, 4, 5, 6].map((number) => of(`fund-${number}`)),
    text: of("text"),
    quiet: of("quiet"),
    rule: of("rule"),
    up: of("up"),
    down: of("down"),
    font: `12px ${style.fontFamily}`,
  };
  probe.remove();
  return found;
}

function axes(colour, values) {
  const common = { stroke: colour.quiet, font: colour.font, grid: { stroke: colour.rule, width: 1 }, ticks: { show: false } };
  return [
    { ...common, space: 90, incrs: [1, 2, 5, 7, 14, 30, 61, 91, 182, 365, 730, 1826].map((days) => days * DAY), values: (_, at) => at.map(isoDay), grid: { show: false } },
    { ...common, size: 62, values: values || ((_, marks) => marks.map((mark) => compact.format(mark))) },
  ];
}

function draw(box, title, data, series, options = {}) {
  const figure = box.appendChild(document.createElement("figure"));
  figure.appendChild(document.createElement("figcaption")).textContent = title;
  const place = figure.appendChild(document.createElement("div"));
  place.setAttribute("role", "img");
  place.setAttribute("aria-label", title);
  const chart = new uPlot(
    {
      width: place.clientWidth,
      height: HEIGHT,
      padding: [8, 36, 0, 0],
      tzDate: (at) => uPlot.tzDate(new Date(at * 1000), "UTC"),
      cursor: { y: false, points: { size: 6 }, sync: options.sync ? { key: options.sync } : undefined },
      series: [{ label: box.dataset.day, value: (_, at) => (at == null ? "–" : isoDay(at)) }, ...series],
      ...options.more,
    },
    data,
    place,
  );
  new ResizeObserver(() => {
    if (place.clientWidth) chart.setSize({ width: place.clientWidth, height: HEIGHT });
  }).observe(place);
  drawn.push(chart);
}

// A fund's position stands until its next file says otherwise, but not over days that too many files of are
// missing: there the line breaks.
function positionSeries(rows, days, fund, breaks) {
  const told = new Map(rows.filter((row) => row.fund === fund).map((row) => [row.day, row.adjusted_shares]));
  const unknown = (day) => breaks.some(([name, first, last]) => name === fund && first <= day && day <= last);
  let last = null;
  return days.map((day) => (last = told.has(day) ? told.get(day) : unknown(day) ? null : last));
}

function drawArk(box, colour, positions, transactions) {
  const rows = positions.rows;
  const trades = transactions.rows;
  const funds = [...new Set([...rows, ...trades].map((row) => row.fund))].sort();
  const breaks = JSON.parse(box.dataset.breaks).filter(([fund]) => funds.includes(fund));
  // The days of a break are in no row: its first day is where the lines end.
  const days = [...new Set([...[...rows, ...trades].map((row) => row.day), ...breaks.map(([, first]) => first)])].sort();
  const x = days.map(seconds);
  const colourOf = (fund) => colour.funds[funds.indexOf(fund) % colour.funds.length];
  const range = (_, from, to) => (from === to ? [from - 3 * DAY, to + 3 * DAY] : [from - DAY, to + DAY]);
  if (rows.length) {
    const held = funds.map((fund) => positionSeries(rows, days, fund, breaks));
    const total = days.map((_, at) => held.reduce((sum, one) => (one[at] == null ? sum : (sum || 0) + one[at]), null));
    const line = (label, stroke, width) => ({ label, stroke, width, spanGaps: false, paths: uPlot.paths.stepped({ align: 1 }), points: { show: days.length < 40, size: 4 }, value: (_, value) => shown(value) });
    draw(
      box, box.dataset.positionTitle, [x, ...held, total],
      [...funds.map((fund) => line(fund, colourOf(fund), 1.5)), line(box.dataset.total, colour.text, 2)],
      { sync: "ark", more: { axes: axes(colour), scales: { x: { range }, y: { range: (_, low, high) => [0, (high || 1) * 1.05] } } } },
    );
  }
  if (trades.length) {
    const traded = funds.map((fund) => {
      const sums = new Map();
      for (const row of trades) if (row.fund === fund) sums.set(row.day, (sums.get(row.day) || 0) + row.adjusted_shares);
      return days.map((day) => sums.get(day) || 0);
    });
    // Bars stand on one another, purchases up and sales down: each is drawn from zero to its pile's height,
    // the highest first.
    const up = days.map(() => 0);
    const down = days.map(() => 0);
    const piled = traded.map((sums) => sums.map((value, at) => (!value ? null : value > 0 ? (up[at] += value) : (down[at] += value))));
    const bars = uPlot.paths.bars({ size: [0.8, 14, 2] });
    const series = funds.map((fund, index) => ({ label: fund, stroke: colourOf(fund), fill: colourOf(fund), width: 0, paths: bars, points: { show: false }, value: (_u, _v, _s, at) => shown(at == null ? null : traded[index][at], true) }));
    draw(
      box, box.dataset.tradesTitle, [x, ...piled.toReversed()], series.toReversed(),
      { sync: "ark", more: { axes: axes(colour), scales: { x: { range } } } },
    );
  }
}

function drawTargets(box, colour, changes) {
  const rows = changes.rows.filter((row) => row.target_price != null).reverse();
  if (rows.length < 2) return;
  const kinds = [["UPGRADE", box.dataset.upgrade, colour.up], ["DOWNGRADE", box.dataset.downgrade, colour.down], ["NEW_RATING", box.dataset.new, colour.quiet]];
  const x = rows.map((row) => seconds(row.day));
  const data = kinds.map(([kind]) => rows.map((row) => (row.change_type === kind ? row.target_price : null)));
  const series = kinds.map(([, label, stroke]) => ({ label, stroke, paths: () => null, points: { show: true, size: 8, fill: stroke }, value: (_, value) => (value == null ? "–" : value.toLocaleString("en-US")) }));
  draw(box, box.dataset.title, [x, ...data], series, {
    more: { axes: axes(colour), scales: { x: { range: (_, from, to) => [from - 5 * DAY, to + 5 * DAY] } } },
  });
}

async function show(main) {
  drawn.forEach((chart) => chart.destroy());
  drawn = [];
  const boxes = [...main.querySelectorAll("[data-charts]")];
  boxes.forEach((box) => delete box.dataset.drawn);
  for (const box of boxes) {
    box.replaceChildren();
    try {
      if (box.dataset.charts === "ark") {
        const found = await Promise.all([getJson(box.dataset.positions), getJson(box.dataset.transactions)]);
        drawArk(box, colours(), ...found);
      } else {
        drawTargets(box, colours(), await getJson(box.dataset.changes));
      }
    } catch {
      const sorry = box.appendChild(document.createElement("p"));
      sorry.className = "empty";
      sorry.textContent = box.dataset.failed;
    }
    box.dataset.drawn = "yes";
  }
}

document.addEventListener("qotgate:shown", (event) => show(event.detail));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => show(document.querySelector("main")));
