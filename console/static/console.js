// Makes pages quicker to use; every page works without it. No library, no text put in as HTML.
"use strict";

const most = 300;
// Rows drawn of one second: more than a screen holds. Drawing a busy school's 500 would leave no time for a click.
const drawn = 60;

// Single keys can be turned off (WCAG 2.1.4), in this browser: under one's own name.
const single = {
  get on() { try { return localStorage.getItem("keys") !== "off"; } catch { return true; } },
  set on(value) { try { localStorage.setItem("keys", value ? "on" : "off"); } catch { /* kept nowhere */ } },
};

function keys() {
  const table = document.getElementById("rows");
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !single.on) return;
    if (/^(input|select|textarea)$/i.test(event.target.tagName)) return;
    if (event.key === "/") {
      const find = document.querySelector("[data-key='/']");
      if (find) { event.preventDefault(); find.focus(); }
      return;
    }
    if (!table || !["j", "k"].includes(event.key)) return;
    const rows = [...table.tBodies[0].rows].filter((row) => !row.classList.contains("since"));
    const now = rows.findIndex((row) => row.classList.contains("current"));
    const next = Math.min(rows.length - 1, Math.max(0, now + (event.key === "j" ? 1 : -1)));
    if (now >= 0) rows[now].classList.remove("current");
    rows[next].classList.add("current");
    rows[next].scrollIntoView({ block: "nearest" });
    // The focus goes along: Enter opens the row, Tab goes on to what can be done about it.
    const link = rows[next].querySelector(".time a");
    if (link) link.focus({ focusVisible: true });
  });
}

function keysSwitch() {
  const button = document.getElementById("keys-switch");
  if (!button) return;
  const show = () => button.setAttribute("aria-pressed", String(single.on));
  button.parentElement.hidden = false;
  button.addEventListener("click", () => { single.on = !single.on; show(); });
  show();
}

function notThis() {
  document.addEventListener("click", (event) => {
    const link = event.altKey && event.target.closest("a[data-not]");
    if (link) { event.preventDefault(); location.assign(link.dataset.not); }
  });
}

function zoom() {
  const figure = document.getElementById("chart");
  const drawing = figure && figure.querySelector("svg");
  if (!drawing) return;
  const { from, step, bars } = drawing.dataset;
  let start = null, mark = null;
  const place = (event) => {
    const box = drawing.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  };
  drawing.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    start = place(event);
    mark = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    mark.setAttribute("class", "drag");
    mark.setAttribute("y", "0");
    mark.setAttribute("height", "96");
  });
  drawing.addEventListener("dragstart", (event) => event.preventDefault());
  window.addEventListener("pointermove", (event) => {
    if (start === null) return;
    const end = place(event);
    if (Math.abs(end - start) < 0.004) return;
    if (!mark.parentNode) drawing.append(mark);
    mark.setAttribute("x", String(Math.min(start, end) * 960));
    mark.setAttribute("width", String(Math.abs(end - start) * 960));
  });
  window.addEventListener("pointerup", (event) => {
    if (start === null) return;
    const dragged = mark.parentNode !== null, [low, high] = [start, place(event)].sort((a, b) => a - b);
    start = null;
    mark.remove();
    if (!dragged) return;
    const at = (part, round) => new Date((Number(from) + round(part * Number(bars)) * Number(step)) * 1000).toISOString();
    const target = new URL(figure.dataset.link, location.href);
    target.searchParams.set("since", at(low, Math.floor));
    target.searchParams.set("until", at(high, Math.ceil));
    const stop = (click) => { click.preventDefault(); click.stopPropagation(); };
    drawing.addEventListener("click", stop, { capture: true, once: true });
    location.assign(target);
  });
}

function live() {
  const button = document.getElementById("live"), table = document.getElementById("rows");
  const shape = document.getElementById("row-template"), says = document.getElementById("live-says");
  if (!button || !shape || !window.EventSource) return;
  button.hidden = false;
  let source = null, waiting = [];
  const held = () => window.scrollY > 200 || (table && (table.matches(":hover") || table.contains(document.activeElement)));
  const draw = () => {
    if (!table || !waiting.length || held()) return;
    const body = table.tBodies[0], count = waiting.length;
    const fresh = document.createDocumentFragment();
    for (const told of waiting.slice(-drawn)) fresh.prepend(one(told));
    waiting = [];
    for (const old of body.querySelectorAll(".since")) old.remove();
    const line = body.insertRow(0);
    line.className = "since";
    line.insertCell().colSpan = 6;
    line.cells[0].textContent = count > drawn ? `${count} new, the last ${drawn} of them shown` : `${count} new`;
    body.prepend(fresh);
    while (body.rows.length > most) body.lastElementChild.remove();
    says.textContent = `${count} new rows`;
  };
  const one = (told) => {
    const row = shape.content.firstElementChild.cloneNode(true);
    const set = (where, text) => { row.querySelector(where).textContent = text || ""; };
    row.classList.add(told.tone);
    const [time, why] = [row.querySelector(".time a"), row.querySelector(".do a")];
    time.textContent = told.clock;
    time.href = `/log/${told.id}`;
    why.href = `/why?row=${told.id}`;
    row.querySelector(".badge").classList.add(told.tone);
    set(".day", told.day);
    set(".sign", told.sign);
    set(".word", told.word);
    set(".host", told.host);
    set(".path", told.path);
    set(".under", told.under);
    set(".who-cell", told.who);
    set(".why-cell", told.why);
    return row;
  };
  const stop = () => {
    if (source) source.close();
    source = null;
    button.setAttribute("aria-pressed", "false");
    sessionStorage.removeItem("live");
  };
  button.addEventListener("click", () => {
    if (source) { stop(); return; }
    button.setAttribute("aria-pressed", "true");
    source = new EventSource(button.dataset.src);
    source.addEventListener("rows", (event) => {
      waiting.push(...JSON.parse(event.data).rows);
      if (waiting.length > 5000) waiting = waiting.slice(-5000);
      if (!table) { sessionStorage.setItem("live", "on"); location.reload(); return; }
      draw();
    });
    source.addEventListener("over", () => { stop(); says.textContent = "Live has ended: sign in again."; });
  });
  window.addEventListener("scroll", draw, { passive: true });
  for (const leaving of ["pointerleave", "focusout"]) if (table) table.addEventListener(leaving, () => window.setTimeout(draw, 50));
  if (sessionStorage.getItem("live") === "on") { sessionStorage.removeItem("live"); button.click(); }
}

function invitation() {
  const shown = document.getElementById("invitation");
  if (shown) shown.textContent = location.origin + shown.dataset.path;
}

function again() {
  const said = document.querySelector("[role=alert][tabindex], [role=status][tabindex]");
  if (said) said.focus();
}

function order() {
  let dragged = null;
  const rows = (row) => [...row.parentNode.rows].filter((one) => one.dataset.set === row.dataset.set);
  const clear = () => { for (const row of document.querySelectorAll("tr.over, tr.dragged")) row.classList.remove("over", "dragged"); };
  for (const row of document.querySelectorAll("tr[data-set]")) {
    row.draggable = true;
    row.addEventListener("dragstart", (event) => {
      dragged = row;
      row.classList.add("dragged");
      event.dataTransfer.effectAllowed = "move";
      event.dataTransfer.setData("text/plain", row.id);
    });
    row.addEventListener("dragend", () => { dragged = null; clear(); });
    row.addEventListener("dragover", (event) => {
      if (!dragged || dragged === row || dragged.dataset.set !== row.dataset.set) return;
      event.preventDefault();
      for (const other of rows(row)) other.classList.toggle("over", other === row);
    });
    row.addEventListener("drop", (event) => {
      if (!dragged || dragged === row || dragged.dataset.set !== row.dataset.set) return;
      event.preventDefault();
      const form = dragged.querySelector("form.move"), all = rows(row);
      form.elements.steps.value = String(all.indexOf(row) - all.indexOf(dragged));
      form.submit();
    });
  }
}

for (const part of [order, keys, keysSwitch, notThis, zoom, live, invitation, again]) part();
