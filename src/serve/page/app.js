// The page's state is its address: seeds, weights, songs an artist and a folder. Going back undoes.

import { Stems } from "./stems.js";

const $ = (id) => document.getElementById(id);
const DELAY = 120; // ms without a key before songs are looked for
const state = { seeds: [], focus: {}, folders: "", artists: "" };
const LIMITS = ["artists", "folders"]; // of one of them, so many songs at most
let instruments = [];
let asked = 0; // answers to earlier questions are dropped
let queue = [];

function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in made) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children); // strings become text, never HTML
  return made;
}

async function ask(path, parameters = {}, method = "GET") {
  const text = new URLSearchParams(parameters).toString();
  const response = await fetch(`/api/v1/${path}${text ? `?${text}` : ""}`, { method });
  if (response.status === 401) {
    location.href = "/login";
    throw new Error("a token is needed");
  }
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

const length = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.round(seconds % 60)).padStart(2, "0")}`;

const origin = (song) => song.artist ? [song.artist, song.album].filter(Boolean).join(" · ") : song.folder;

function say(text, wrong = false) {
  $("state").textContent = text;
  $("state").classList.toggle("wrong", wrong);
}

// ---- the address

function focusText() {
  return instruments.filter((name) => state.focus[name] !== 0).map((name) => `${name}=${state.focus[name]}`).join(",");
}

function remember(push = true) {
  const parameters = new URLSearchParams();
  if (state.seeds.length) parameters.set("song", state.seeds.map((seed) => seed.id).join(","));
  if (instruments.some((name) => state.focus[name] !== 1)) parameters.set("focus", focusText());
  for (const limit of LIMITS) if (state[limit]) parameters.set(limit, state[limit]);
  const text = parameters.toString();
  const address = text ? `?${text}` : location.pathname;
  if (push) history.pushState(null, "", address);
  else history.replaceState(null, "", address);
}

async function restore() {
  const parameters = new URLSearchParams(location.search);
  for (const name of instruments) state.focus[name] = parameters.has("focus") ? 0 : 1;
  for (const part of (parameters.get("focus") ?? "").split(",").filter(Boolean)) {
    const [name, weight = "1"] = part.split("=");
    if (instruments.includes(name) && Number.isFinite(Number(weight))) {
      state.focus[name] = Math.max(-1, Math.min(1, Number(weight)));
    }
  }
  for (const limit of LIMITS) {
    state[limit] = parameters.get(limit) ?? "";
    $(limit).value = state[limit];
  }
  const ids = (parameters.get("song") ?? "").split(",").filter(Boolean);
  const seeds = await Promise.allSettled(ids.map((id) => ask(`songs/${encodeURIComponent(id)}`)));
  state.seeds = seeds.filter((seed) => seed.status === "fulfilled").map((seed) => seed.value);
  drawSliders();
  drawSeeds();
  await search();
  const gone = seeds.length - state.seeds.length;
  if (gone) say(`${gone} of the songs in this address are not in the library any more.`, true);
}

// ---- what is searched by

function drawSeeds() {
  $("seeds").replaceChildren(...state.seeds.map((seed) => element("li", {},
    element("button", { type: "button", "aria-label": `Play ${seed.title}`, onclick: () => play(seed) }, "▶"),
    element("span", {}, seed.title),
    element("button", {
      type: "button", title: "Remove", "aria-label": `Remove ${seed.title}`,
      onclick: () => { state.seeds = state.seeds.filter((other) => other.id !== seed.id); change(); },
    }, "×"))));
}

function weightText(weight) {
  return weight === 0 ? "off" : weight > 0 ? weight.toFixed(2) : `−${(-weight).toFixed(2)}`;
}

function drawSliders() {
  const sliders = instruments.map((name) => {
    const output = element("output", {}, weightText(state.focus[name]));
    const input = element("input", {
      type: "range", min: "-1", max: "1", step: "0.05", id: `focus-${name}`,
      oninput: () => { state.focus[name] = Number(input.value); output.textContent = weightText(state.focus[name]); search(); },
      onchange: () => remember(),
    });
    input.value = String(state.focus[name]);
    input.setAttribute("aria-valuetext", weightText(state.focus[name]));
    return element("div", { className: "slider" }, element("label", { htmlFor: `focus-${name}` }, name), input, output);
  });
  const ends = element("div", { className: "ends" }, element("span", {}, "unlike"), element("span", {}, "off"), element("span", {}, "like"));
  $("focus").replaceChildren($("focus").querySelector("legend"), ...sliders, ends);
}

function change() {
  drawSeeds();
  remember();
  search();
}

function choose(song, alone = false) {
  if (song.silent) { say(`${song.title} is silent, and like nothing.`, true); return; }
  if (alone) state.seeds = [];
  if (!state.seeds.some((seed) => seed.id === song.id)) state.seeds.push(song);
  $("text").value = "";
  hideSuggestions();
  change();
}

// ---- suggestions

let suggested = [];
let selected = -1;
let timer = 0;

function hideSuggestions() {
  $("suggestions").hidden = true;
  $("text").setAttribute("aria-expanded", "false");
  $("text").removeAttribute("aria-activedescendant");
}

function select(place) {
  selected = place;
  [...$("suggestions").children].forEach((item, n) => item.setAttribute("aria-selected", String(n === place)));
  const item = $("suggestions").children[place];
  if (!item) { $("text").removeAttribute("aria-activedescendant"); return; }
  $("text").setAttribute("aria-activedescendant", item.id);
  item.scrollIntoView({ block: "nearest" });
}

async function suggest() {
  const text = $("text").value.trim();
  if (!text) { hideSuggestions(); return; }
  try {
    const { songs, total } = await ask("songs", { text, limit: 30 });
    if ($("text").value.trim() !== text) return;
    suggested = songs;
    $("suggestions").replaceChildren(...songs.map((song, n) => element("li", {
      id: `suggestion-${n}`, role: "option", "aria-selected": "false", onclick: () => choose(song),
    }, song.title, element("small", {}, `${origin(song)} · ${length(song.seconds)}`))));
    $("suggestions").hidden = songs.length === 0;
    $("text").setAttribute("aria-expanded", String(songs.length > 0));
    select(songs.length ? 0 : -1);
    say(total ? `${total} songs are called so.` : "No song is called so.");
  } catch (error) {
    say(error.message, true);
  }
}

$("text").addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(suggest, DELAY); });
$("text").addEventListener("keydown", (event) => {
  const open = !$("suggestions").hidden;
  if (event.key === "ArrowDown" && open) select(Math.min(selected + 1, suggested.length - 1));
  else if (event.key === "ArrowUp" && open) select(Math.max(selected - 1, 0));
  else if (event.key === "Enter" && open && suggested[selected]) choose(suggested[selected]);
  else if (event.key === "Escape") hideSuggestions();
  else return;
  event.preventDefault();
});
document.addEventListener("click", (event) => {
  if (!event.target.closest(".ask")) hideSuggestions();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) {
    event.preventDefault();
    $("text").focus();
  }
});

// ---- what was found

function bar(distance) {
  // a distance of 1 is what two songs usually have; the nearer, the longer
  const near = Math.max(0, Math.min(1, 1 - distance / 1.5));
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 100 7");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  rect.setAttribute("width", String(100 * near));
  rect.setAttribute("height", "7");
  svg.append(rect);
  return svg;
}

function reasons(match) {
  return element("div", { className: "reasons" }, ...instruments.map((name) => element("div", {
    className: state.focus[name] === 0 ? "unused" : "",
    title: `${name}: distance ${match.instruments[name].toFixed(2)}; 1 is what two songs usually have`,
  }, element("span", {}, name), bar(match.instruments[name]), element("b", {}, match.instruments[name].toFixed(2)))));
}

function row(match) {
  const { song } = match;
  const title = element("div", { className: "title" }, song.title, element("small", {}, `${origin(song)} · ${length(song.seconds)}`));
  if (match.lacks.length) title.append(element("span", { className: "lacks" }, `hardly any ${match.lacks.join(", ")}`));
  if (match.like.length) title.append(element("small", {}, `and ${match.like.length} that are nearly the same`));
  return element("li", { className: "match", "data-id": song.id },
    element("button", { type: "button", className: "play", "aria-label": `Play ${song.title}`, onclick: () => play(song) }, "▶"),
    title, reasons(match),
    element("button", { type: "button", "aria-label": `Search by ${song.title}`, onclick: () => choose(song, true) }, "Like this"));
}

async function search() {
  const mine = ++asked;
  if (!state.seeds.length) {
    $("found").replaceChildren();
    $("save").hidden = true;
    queue = [];
    say("Type the name of a song, and choose one.");
    return;
  }
  if (instruments.every((name) => state.focus[name] === 0)) {
    $("found").replaceChildren();
    $("save").hidden = true;
    say("All instruments are off: turn one on.", true);
    return;
  }
  const parameters = { song: state.seeds.map((seed) => seed.id).join(","), focus: focusText(), count: 30 };
  if (state.folders) parameters.per_folder = state.folders;
  if (state.artists) parameters.per_artist = state.artists;
  try {
    const { matches } = await ask("similar", parameters);
    if (mine !== asked) return;
    queue = matches.map((match) => match.song);
    $("found").replaceChildren(...matches.map(row));
    $("save").hidden = matches.length === 0;
    $("save").href = `/api/v1/playlist.m3u8?${new URLSearchParams(parameters)}`;
    say(matches.length ? `${matches.length} songs, the nearest first.` : "There is nothing else in the library.");
    mark();
  } catch (error) {
    if (mine === asked) say(error.message, true);
  }
}

// ---- the player

let playing = null;
const stems = new Stems({ player: $("player"), panel: $("stems"), element, request: ask });

function mark() {
  for (const item of $("found").children) item.classList.toggle("now", item.dataset.id === playing?.id);
  const place = queue.findIndex((song) => song.id === playing?.id);
  $("next").hidden = place < 0 || place + 1 >= queue.length;
}

function play(song) {
  stems.close();
  playing = song;
  $("hear").hidden = false;
  $("player").src = `/api/v1/songs/${encodeURIComponent(song.id)}/audio`;
  $("playing").textContent = `${song.title} · ${origin(song)}`;
  $("player").play().catch(() => {}); // the error event says what is wrong
  mark();
}

function next() {
  const place = queue.findIndex((song) => song.id === playing?.id);
  if (place >= 0 && queue[place + 1]) play(queue[place + 1]);
}

$("next").addEventListener("click", next);
$("hear").addEventListener("click", () => {
  if (stems.song === playing) stems.close();
  else stems.open(playing);
});
$("player").addEventListener("ended", next);
$("player").addEventListener("error", () => {
  if (playing) $("playing").textContent = `${playing.title}: this browser cannot play the file, or it is not there any more`;
});

// ---- beginning

for (const limit of LIMITS) {
  $(limit).addEventListener("change", () => { state[limit] = $(limit).value; remember(); search(); });
}
$("alike").addEventListener("click", () => {
  for (const name of instruments) state.focus[name] = 1;
  drawSliders();
  remember();
  search();
});
window.addEventListener("popstate", () => restore().catch((error) => say(error.message, true)));

try {
  const library = await ask("library");
  instruments = library.instruments;
  $("size").textContent = `${library.songs.toLocaleString()} songs`;
  await restore();
} catch (error) {
  say(`The library does not answer: ${error.message}`, true);
}
