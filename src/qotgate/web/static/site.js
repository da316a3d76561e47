// What the pages do beyond plain HTML: rows of the next page come by scrolling, and a load that finishes while a
// page is open shows. Both fetch the page's own HTML again, so that there is one way to render.
"use strict";

const news = document.querySelector("[data-news]");
let silence;

async function fetchPage(url) {
  const answer = await fetch(url, { headers: { Accept: "text/html" } });
  if (!answer.ok) throw new Error(String(answer.status));
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

async function bringMore(link) {
  if (link.dataset.busy) return;
  link.dataset.busy = "yes";
  const name = link.textContent;
  link.textContent = link.dataset.loading;
  const into = document.getElementById(link.dataset.more);
  try {
    const page = await fetchPage(link.href);
    const focused = document.activeElement === link;
    const rows = [...page.getElementById(link.dataset.more).children];
    localTimes(page);
    into.append(...rows);
    document.querySelector("main").dataset.grown = "yes";
    const next = page.querySelector(`[data-more="${link.dataset.more}"]`);
    if (focused) {
      const first = rows[0] && rows[0].querySelector("a");
      if (first) first.focus();
    }
    if (next) {
      link.href = next.href;
      link.textContent = name;
      delete link.dataset.busy;
      // The observer speaks only when something changes: where the link is still in sight, ask anew.
      watcher.unobserve(link);
      watcher.observe(link);
    } else {
      watcher.unobserve(link);
      link.closest(".more").remove();
      const table = into.closest("table[data-sortable]");
      if (table) sortable(table);
    }
  } catch {
    link.textContent = link.dataset.failed;
    watcher.unobserve(link);
    delete link.dataset.busy;
  }
}

const watcher = new IntersectionObserver(
  (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => bringMore(entry.target)),
  { rootMargin: "400px" },
);

// Suggestions while one types: a combobox after the ARIA Authoring Practices. Without it the form still searches.
function suggest(input) {
  const list = input.form.appendChild(document.createElement("ul"));
  list.id = "suggestions";
  list.hidden = true;
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", input.placeholder);
  const roles = { role: "combobox", "aria-autocomplete": "list", "aria-controls": list.id, "aria-expanded": "false" };
  for (const [name, value] of Object.entries(roles)) input.setAttribute(name, value);
  let asked = 0;
  let timer;
  let chosen = -1;
  const choose = (index) => {
    chosen = index;
    [...list.children].forEach((option, at) => option.setAttribute("aria-selected", String(at === index)));
    if (index < 0) input.removeAttribute("aria-activedescendant");
    else input.setAttribute("aria-activedescendant", list.children[index].id);
  };
  const open = (wanted) => {
    list.hidden = !wanted;
    input.setAttribute("aria-expanded", String(wanted));
    choose(-1);
  };
  const ask = async () => {
    const mine = ++asked;
    const text = input.value.trim();
    const rows = text ? await (await fetch(`${input.dataset.suggest}?q=${encodeURIComponent(text)}`)).json() : [];
    if (mine !== asked) return;
    list.replaceChildren(
      ...rows.map((row, at) => {
        const option = document.createElement("li");
        option.id = `suggestion-${at}`;
        option.setAttribute("role", "option");
        option.dataset.href = row.href;
        option.append(Object.assign(document.createElement("b"), { textContent: row.name }), ` ${row.more}`);
        return option;
      }),
    );
    open(rows.length > 0);
  };
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => ask().catch(() => open(false)), 120);
  });
  input.addEventListener("keydown", (event) => {
    const count = list.children.length;
    if (event.key === "Escape" && !list.hidden) open(false);
    else if (event.key === "ArrowDown" && count) {
      if (list.hidden) open(true);
      choose((chosen + 1) % count);
    } else if (event.key === "ArrowUp" && count && !list.hidden) choose(chosen <= 0 ? count - 1 : chosen - 1);
    else if (event.key === "Enter" && chosen >= 0 && !list.hidden) location.assign(list.children[chosen].dataset.href);
    else return;
    event.preventDefault();
  });
  // Before the field loses the focus, and with it the list.
  list.addEventListener("mousedown", (event) => {
    const option = event.target.closest("[data-href]");
    if (option) location.assign(option.dataset.href);
    event.preventDefault();
  });
  input.addEventListener("blur", () => open(false));
}

// A table that is whole here is sorted here: numbers by value, what has none last.
function sortable(table) {
  if (document.querySelector(`[data-more="${table.tBodies[0].id}"]`)) return;
  const heads = [...table.tHead.rows[0].cells];
  const value = (row, at) => {
    const text = (row.cells[at].dataset.sort || row.cells[at].textContent).trim().replaceAll(",", "").replace("−", "-").replace(/[+%]/g, "");
    return text === "–" || text === "" ? null : Number.isNaN(Number(text)) ? text : Number(text);
  };
  heads.forEach((head, at) => {
    // One that is there comes from a place that was returned to.
    const button = head.querySelector("button") || document.createElement("button");
    if (!button.isConnected) {
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
    }
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") !== "descending";
      heads.forEach((one) => one.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...table.tBodies[0].rows].sort((one, other) => {
        const [a, b] = [value(one, at), value(other, at)];
        if (a === null || b === null) return (a === null) - (b === null);
        const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
        return down ? -order : order;
      });
      table.tBodies[0].append(...rows);
    });
  });
}

// What a reader follows is kept in the browser alone; the page of it has the list in its address.
const FOLLOWED = "qotgate followed";
const followed = () => JSON.parse(localStorage.getItem(FOLLOWED) || "[]");

function following(button) {
  // Kept in the page, as a place that is returned to has the button as it was left.
  button.dataset.off ||= button.textContent;
  const show = () => {
    const on = followed().includes(button.dataset.follow);
    button.setAttribute("aria-pressed", String(on));
    button.textContent = on ? button.dataset.on : button.dataset.off;
  };
  button.hidden = false;
  show();
  button.addEventListener("click", () => {
    const others = followed().filter((one) => one !== button.dataset.follow);
    const kept = others.length < followed().length ? others : [...others, button.dataset.follow];
    localStorage.setItem(FOLLOWED, JSON.stringify(kept));
    show();
  });
}

function watchlist(form) {
  form.addEventListener("submit", () => {
    const names = form.follow.value.split(",").map((name) => name.trim()).filter(Boolean);
    localStorage.setItem(FOLLOWED, JSON.stringify(names));
  });
  if (!location.search && followed().length) location.replace(`/following?follow=${encodeURIComponent(followed().join(","))}`);
}

function copying(button) {
  button.hidden = false;
  const name = button.textContent;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent);
    button.textContent = button.dataset.copied;
    setTimeout(() => (button.textContent = name), 2000);
  });
}

// Moments come in UTC; a reader reads them in the zone of the browser.
function localTimes(part) {
  const form = new Intl.DateTimeFormat("sv-SE", { dateStyle: "short", timeStyle: "short" });
  for (const time of part.querySelectorAll("time[data-local]")) {
    time.title ||= time.textContent;
    time.textContent = form.format(new Date(time.dateTime));
  }
}

function start(main) {
  localTimes(main);
  main.querySelectorAll("table[data-sortable]").forEach(sortable);
  main.querySelectorAll("[data-follow]").forEach(following);
  main.querySelectorAll("[data-following]").forEach(watchlist);
  // Browsers have a clipboard where a page is local or comes over HTTPS.
  if (navigator.clipboard) main.querySelectorAll("[data-copy]").forEach(copying);
  for (const link of main.querySelectorAll("[data-more]")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      bringMore(link);
    });
    watcher.observe(link);
  }
  document.dispatchEvent(new CustomEvent("qotgate:shown", { detail: main }));
}

function tell(text, action) {
  news.textContent = text;
  if (action) {
    const button = document.createElement("button");
    button.textContent = news.dataset.show;
    button.addEventListener("click", action);
    news.append(button);
  }
  clearTimeout(silence);
  if (!action) silence = setTimeout(() => news.replaceChildren(), 6000);
}

async function showNew() {
  const main = document.querySelector("main");
  const page = await fetchPage(location.href);
  const fresh = document.adoptNode(page.querySelector("main"));
  watcher.disconnect();
  main.replaceWith(fresh);
  const known = page.querySelector(".known");
  if (known) {
    localTimes(known);
    const old = document.querySelector(".known");
    if (old) old.replaceWith(known);
    else news.before(known);
  }
  start(fresh);
  tell(news.dataset.updated);
}

// A reader who comes back finds the rows that were scrolled to, and the place.
const KEPT = `qotgate ${location.pathname}${location.search}`;

function keepPlace() {
  const main = document.querySelector("main");
  if (!main.dataset.grown) return;
  try {
    sessionStorage.setItem(KEPT, JSON.stringify({ state: main.dataset.state, html: main.innerHTML, top: scrollY }));
  } catch {
    // More rows than the browser keeps: the page begins anew.
  }
}

function backToPlace(main) {
  const kept = JSON.parse(sessionStorage.getItem(KEPT) || "null");
  const [how] = performance.getEntriesByType("navigation");
  if (!kept || !how || how.type !== "back_forward" || kept.state !== main.dataset.state) return;
  main.innerHTML = kept.html;
  main.dataset.grown = "yes";
  requestAnimationFrame(() => scrollTo({ top: kept.top, behavior: "instant" }));
}

let events;

function follow() {
  events = new EventSource("/events");
  events.addEventListener("state", (event) => {
    const main = document.querySelector("main");
    if (main.dataset.state === event.data) return;
    const typing = main.contains(document.activeElement) && document.activeElement.matches("input, select");
    // Rows that were scrolled to, or a form half filled in, are not taken away unasked.
    if (main.dataset.grown || typing) tell(news.dataset.waiting, showNew);
    else showNew().catch(() => tell(news.dataset.waiting, showNew));
  });
}

// A browser opens few connections to one host. A page out of sight closes its own, and learns what it missed when
// it comes into sight again.
function followInSight() {
  if (document.visibilityState === "visible") follow();
  else if (events) events.close();
}

suggest(document.querySelector("[data-suggest]"));
localTimes(document.querySelector(".known") || document.createElement("p"));
backToPlace(document.querySelector("main"));
start(document.querySelector("main"));
addEventListener("pagehide", keepPlace);
if (!location.pathname.startsWith("/sign-in")) {
  followInSight();
  document.addEventListener("visibilitychange", followInSight);
  addEventListener("pagehide", () => events && events.close());
  addEventListener("pageshow", (event) => event.persisted && followInSight());
}
