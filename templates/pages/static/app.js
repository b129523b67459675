"use strict";
// The page works without this; with it, cards and logs follow by themselves.

const PAUSE = 2000;

async function text(address) {
  const answer = await fetch(address, { credentials: "same-origin", headers: { "X-Requested-With": "fetch" } });
  if (answer.status === 401) { location.assign("/signin"); }
  if (!answer.ok) { throw new Error(String(answer.status)); }
  return answer.text();
}

// Replaces only what changed, so that focus, hover and a half-ticked box stay where they are.
function mend(old, fresh) {
  const kept = new Map([...old.querySelectorAll("[data-bot]")].map((card) => [card.dataset.bot, card]));
  for (const card of fresh.querySelectorAll("[data-bot]")) {
    const known = kept.get(card.dataset.bot);
    const same = known && known.className === card.className;
    if (!same) { continue; }
    for (const part of ["dl", ".reason", ".phase"]) {
      const [before, after] = [known.querySelector(part), card.querySelector(part)];
      if (before.innerHTML !== after.innerHTML) { before.replaceWith(after); }
    }
    card.replaceWith(known);
  }
  old.replaceChildren(...fresh.childNodes);
}

function parsed(html) {
  return new DOMParser().parseFromString(html, "text/html").body;
}

async function followCards(place) {
  const focused = document.activeElement && document.activeElement.closest("[data-bot]");
  const fresh = parsed(await text("/cards"));
  if (focused && place.contains(focused)) {
    const twin = fresh.querySelector(`[data-bot="${CSS.escape(focused.dataset.bot)}"]`);
    if (twin && twin.className === focused.className) {
      const where = document.activeElement;
      mend(place, fresh);
      where.focus({ preventScroll: true });
      return;
    }
  }
  mend(place, fresh);
}

async function followLog(place) {
  const atEnd = place.scrollTop + place.clientHeight >= place.scrollHeight - 4;
  place.textContent = await text(place.dataset.source);
  document.getElementById("log-error").hidden = true;
  if (atEnd) { place.scrollTop = place.scrollHeight; }
}

function forever(job) {
  const turn = async () => {
    if (!document.hidden) {
      try { await job(); } catch { /* the next turn tries again; the page keeps what it has */ }
    }
    setTimeout(turn, PAUSE);
  };
  setTimeout(turn, PAUSE);
}

// A second press must not send a second start while the first is on its way.
document.addEventListener("submit", (event) => {
  if (event.target.dataset.sent) { event.preventDefault(); return; }
  event.target.dataset.sent = "yes";
  setTimeout(() => { delete event.target.dataset.sent; }, 5000);
});

// A market has one type: choosing the market chooses it.
const market = document.querySelector("select[name=market]");
if (market) {
  const type = document.querySelector("select[name=type]");
  market.addEventListener("change", () => { type.value = market.selectedOptions[0].dataset.type; });
}

const cards = document.getElementById("cards");
const log = document.getElementById("log");
if (cards) { forever(() => followCards(cards)); }
if (log) { log.scrollTop = log.scrollHeight; forever(() => followLog(log)); }
