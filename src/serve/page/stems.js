// The instruments of the song that plays: separated by the server, then played together with it, each alone or silent.

const OFF = 0.06; // seconds that a stem may be from the song before it is set right
const POLL = 500; // ms

export class Stems {
  constructor({ player, panel, element, request }) {
    Object.assign(this, { player, panel, element, request });
    this.song = null;
    this.sounds = new Map(); // instrument → audio
    this.solo = new Set();
    this.muted = new Set();
    const each = (what) => () => this.sounds.forEach(what);
    player.addEventListener("play", each((sound) => { sound.currentTime = player.currentTime; sound.play().catch(() => {}); }));
    player.addEventListener("pause", each((sound) => sound.pause()));
    player.addEventListener("seeking", each((sound) => { sound.currentTime = player.currentTime; }));
    player.addEventListener("ratechange", each((sound) => { sound.playbackRate = player.playbackRate; }));
    player.addEventListener("timeupdate", each((sound) => {
      if (!player.paused && Math.abs(sound.currentTime - player.currentTime) > OFF) sound.currentTime = player.currentTime;
    }));
    player.addEventListener("volumechange", each((sound) => { sound.volume = player.volume; }));
  }

  // Back to the mix alone.
  close() {
    this.song = null;
    this.sounds.forEach((sound) => { sound.pause(); sound.removeAttribute("src"); sound.load(); });
    this.sounds.clear();
    this.solo.clear();
    this.muted.clear();
    this.player.muted = false;
    this.panel.hidden = true;
    this.panel.replaceChildren();
  }

  async open(song) {
    this.close();
    this.song = song;
    this.panel.hidden = false;
    const path = `songs/${encodeURIComponent(song.id)}/stems`;
    try {
      let answer = await this.request(path, {}, "POST");
      while (this.song === song && ["waiting", "separating"].includes(answer.state)) {
        this.tell(answer);
        await new Promise((done) => setTimeout(done, POLL));
        answer = await this.request(path);
      }
      if (this.song !== song) return;
      if (answer.state !== "ready") throw new Error(answer.error ?? "it was not separated");
      this.begin(song, answer.stems);
    } catch (error) {
      if (this.song === song) this.panel.replaceChildren(this.element("p", { className: "wrong" }, error.message));
    }
  }

  tell({ state, done, seconds }) {
    const { element } = this;
    if (state === "waiting") { this.panel.replaceChildren(element("p", {}, "Other songs are separated first.")); return; }
    const progress = element("progress", { "aria-label": "Separated so far" });
    if (seconds) { progress.max = seconds; progress.value = done; }
    this.panel.replaceChildren(element("p", {}, "The song is separated into its instruments …"), progress);
  }

  begin(song, stems) {
    const { element, player } = this;
    for (const name of stems) {
      const sound = new Audio(`/api/v1/songs/${encodeURIComponent(song.id)}/stems/${name}`);
      sound.volume = player.volume;
      sound.currentTime = player.currentTime;
      if (!player.paused) sound.play().catch(() => {});
      this.sounds.set(name, sound);
    }
    const toggle = (set, name, text, label) => {
      const button = element("button", {
        type: "button", "aria-pressed": "false", "aria-label": label,
        onclick: () => {
          if (!set.delete(name)) set.add(name);
          button.setAttribute("aria-pressed", String(set.has(name)));
          this.mix();
        },
      }, text);
      return button;
    };
    this.panel.replaceChildren(
      element("p", {}, "Instruments, as they were separated: they are an estimate."),
      element("ul", {}, ...stems.map((name) => element("li", { "data-stem": name }, element("span", {}, name),
        toggle(this.solo, name, "Solo", `${name} alone`), toggle(this.muted, name, "Mute", `${name} silent`)))),
      element("button", { type: "button", onclick: () => this.close() }, "Back to the mix"));
    this.mix();
  }

  // What is heard: the solos if there are any, else all that is not muted.
  mix() {
    this.player.muted = true;
    this.sounds.forEach((sound, name) => {
      sound.muted = this.solo.size ? !this.solo.has(name) : this.muted.has(name);
    });
  }
}
