// The charts of a security: the funds' positions and each day's trades, and the analysts' target prices.
// Numbers come from the API, split-adjusted to the day asked for. Colours come from the style sheet. A part of a
// chart is enlarged by drawing over it, and by the buttons above; a double click shows all of it.
"use strict";

const DAY = 86400;
const HEIGHT = 240;
let drawn = [];

const seconds = (day) => Date.parse(`${day}T00:00:00Z`) / 1000;
const isoDay = (at) => new Date(at * 1000).toISOString().slice(0, 10);
const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
// Marks of an axis in the reader's own units: 5M, or 500万.
const compact = new Intl.NumberFormat(document.documentElement.lang, { notation: "compact", maximumFractionDigits: 1 });
// As in the tables.
const minus = (text) => text.replace("-", "−");
const shown = (value, sign) => (value == null ? "–" : (sign && value > 0 ? "+" : "") + minus(whole.format(value)));

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
    { ...common, size: 62, values: values || ((_, marks) => marks.map((mark) => minus(compact.format(mark)))) },
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
      // Without a pointer on the chart, as on a phone, the numbers are the latest.
      hooks: { setCursor: [(one) => one.cursor.idx == null && one.setLegend({ idx: one.data[0].length - 1 }, false)] },
      ...options.more,
    },
    data,
    place,
  );
  chart.setLegend({ idx: data[0].length - 1 }, false);
  new ResizeObserver(() => {
    if (place.clientWidth) chart.setSize({ width: place.clientWidth, height: HEIGHT });
  }).observe(place);
  drawn.push(chart);
  return chart;
}

// A fund's position stands until its next file says otherwise, but not over days that too many files of are
// missing: there the line breaks.
function heldSeries(rows, days, fund, breaks, measure) {
  const told = new Map(rows.filter((row) => row.fund === fund).map((row) => [row.day, row.adjusted_shares ? row[measure] : 0]));
  const unknown = (day) => breaks.some(([name, first, last]) => name === fund && first <= day && day <= last);
  let last = null;
  return days.map((day) => (last = told.has(day) ? told.get(day) : unknown(day) ? null : last));
}

// What a share was worth in the funds' files on each day: the value of a position by its shares.
function priceOf(rows) {
  const prices = new Map();
  for (const row of rows) if (row.market_value && row.adjusted_shares) prices.set(row.day, row.market_value / row.adjusted_shares);
  return prices;
}

function breaksOf(box, funds) {
  return JSON.parse(box.dataset.breaks || "[]").filter(([fund]) => funds.includes(fund));
}

// Buttons of which one is pressed; their group is read as one question.
function choices(box, label, options, pressed, choose) {
  const group = box.appendChild(document.createElement("span"));
  group.className = "group words";
  group.setAttribute("role", "group");
  group.setAttribute("aria-label", label);
  for (const [value, name] of options) {
    const button = group.appendChild(document.createElement("button"));
    button.type = "button";
    button.textContent = name;
    button.setAttribute("aria-pressed", String(value === pressed));
    button.addEventListener("click", () => {
      for (const one of group.children) one.setAttribute("aria-pressed", String(one === button));
      choose(value);
    });
  }
}

// The last month, half year or year of a chart's days, or all of them.
const SPANS = [31, 183, 366, Infinity];

function rangeButtons(box, bar, last, first) {
  const options = box.dataset.ranges.split(",").map((name, at) => [SPANS[at], name]);
  const choose = (days) => {
    box.dataset.range = days;
    for (const chart of drawn.filter((one) => box.contains(one.root))) {
      chart.setScale("x", { min: Math.max(first - 3 * DAY, last - days * DAY), max: last + 3 * DAY });
    }
  };
  const pressed = Number(box.dataset.range || SPANS[2]);
  choices(bar, box.dataset.rangeLabel, options, pressed, choose);
  choose(pressed);
}

function toolbar(box) {
  const bar = document.createElement("div");
  bar.className = "toolbar";
  box.prepend(bar);
  return bar;
}

const range = (_, from, to) => (from === to ? [from - 3 * DAY, to + 3 * DAY] : [from, to]);

function drawArk(box, colour, positions, transactions) {
  const rows = positions.rows;
  const trades = transactions.rows;
  const funds = [...new Set([...rows, ...trades].map((row) => row.fund))].sort();
  const breaks = breaksOf(box, funds);
  // The days of a break are in no row: its first day is where the lines end.
  const days = [...new Set([...[...rows, ...trades].map((row) => row.day), ...breaks.map(([, first]) => first)])].sort();
  const x = days.map(seconds);
  const colourOf = (fund) => colour.funds[funds.indexOf(fund) % colour.funds.length];
  const stepped = uPlot.paths.stepped({ align: 1 });
  const bar = toolbar(box);
  if (rows.length) {
    const prices = priceOf(rows);
    const price = days.map((day) => prices.get(day) ?? null);
    const dataOf = (measure) => {
      const held = funds.map((fund) => heldSeries(rows, days, fund, breaks, measure));
      // Weights in different funds add up to nothing that is the weight of anything.
      const total = days.map((_, at) => (measure === "weight" ? null : held.reduce((sum, one) => (one[at] == null ? sum : (sum || 0) + one[at]), null)));
      return [x, ...held, total, price];
    };
    let measure = box.dataset.measure || "adjusted_shares";
    const measures = JSON.parse(box.dataset.measures);
    const title = () => `${box.dataset.positionTitle} · ${new Map(measures).get(measure)}`;
    const value = (_, number) => (number == null ? "–" : measure === "weight" ? `${number.toFixed(2)}%` : whole.format(number));
    const line = (label, stroke, width) => ({ label, stroke, width, spanGaps: false, paths: stepped, points: { show: days.length < 40, size: 4 }, value });
    const chart = draw(
      box, title(), dataOf(measure),
      [
        ...funds.map((fund) => line(fund, colourOf(fund), 1.5)),
        line(box.dataset.total, colour.text, 2),
        { label: box.dataset.price, scale: "usd", stroke: colour.quiet, width: 1, dash: [3, 3], spanGaps: false, points: { show: false }, value: (_, number) => (number == null ? "–" : number.toFixed(2)) },
      ],
      {
        sync: "ark",
        more: {
          axes: [...axes(colour), { scale: "usd", side: 1, stroke: colour.quiet, font: colour.font, grid: { show: false }, ticks: { show: false }, size: 50, values: (_, marks) => marks.map((mark) => compact.format(mark)) }],
          scales: { x: { range }, y: { range: (_, low, high) => [0, (high || 1) * 1.05] }, usd: { range: (_, low, high) => [0, (high || 1) * 1.1] } },
        },
      },
    );
    choices(bar, box.dataset.measureLabel, measures, measure, (chosen) => {
      box.dataset.measure = measure = chosen;
      const figure = chart.root.closest("figure");
      figure.querySelector("figcaption").textContent = title();
      figure.querySelector("[role=img]").setAttribute("aria-label", title());
      const { min, max } = chart.scales.x;
      chart.setData(dataOf(measure));
      chart.setScale("x", { min, max });
    });
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
      { sync: "ark", more: { axes: [...axes(colour), { side: 1, scale: "usd", size: 50, grid: { show: false }, ticks: { show: false }, values: () => [] }], scales: { x: { range } } } },
    );
  }
  rangeButtons(box, bar, x.at(-1), x[0]);
}

function drawTargets(box, colour, changes, positions) {
  const rows = changes.rows.filter((row) => row.target_price != null);
  if (rows.length < 2) return;
  const prices = priceOf(positions ? positions.rows : []);
  const days = [...new Set([...rows.map((row) => row.day), ...prices.keys()])].sort();
  const kinds = [["UPGRADE", box.dataset.upgrade, colour.up], ["DOWNGRADE", box.dataset.downgrade, colour.down], ["NEW_RATING", box.dataset.new, colour.quiet]];
  // A day may have several targets of one kind: each has a mark of its own, at the same place on the axis.
  const marks = [...rows.map((row) => ({ day: row.day, kind: row.change_type, target: row.target_price })), ...days.map((day) => ({ day }))].sort((a, b) => (a.day < b.day ? -1 : 1));
  const x = marks.map((mark) => seconds(mark.day));
  const data = kinds.map(([kind]) => marks.map((mark) => (mark.kind === kind ? mark.target : null)));
  const price = marks.map((mark) => prices.get(mark.day) ?? null);
  const value = (_, number) => (number == null ? "–" : number.toLocaleString("en-US", { maximumFractionDigits: 2 }));
  const series = kinds.map(([, label, stroke]) => ({ label, stroke, paths: () => null, points: { show: true, size: 8, fill: stroke }, value }));
  if (prices.size) series.push({ label: box.dataset.price, stroke: colour.text, width: 1.5, spanGaps: false, points: { show: false }, value });
  const bar = toolbar(box);
  draw(box, box.dataset.title, prices.size ? [x, ...data, price] : [x, ...data], series, { more: { axes: axes(colour), scales: { x: { range } } } });
  rangeButtons(box, bar, x.at(-1), x[0]);
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
        const urls = [box.dataset.changes, box.dataset.positions].filter(Boolean);
        drawTargets(box, colours(), ...(await Promise.all(urls.map(getJson))));
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
