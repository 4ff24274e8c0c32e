// The test from the first page to the file with the answers. Nothing is sent, and nothing is kept but in memory.

const content = JSON.parse(document.getElementById("content").textContent);
const byId = (id) => document.getElementById(id);
const say = (text) => {
  byId("status").textContent = text;
};
const fail = () => {
  say("");
  byId("error").textContent =
    "The sound cannot be played. The folder sounds must lie beside this page, and the browser must play wav files.";
};
const answers = {
  format: content.format,
  version: content.version,
  test_id: content.test_id,
  headphones: [],
  training: [],
  ratings: [],
};
let isUnsaved = false;

const steps = ["welcome", "volume", "headphones", "rating", "finish"];

function show(name) {
  for (const step of steps) byId(step).hidden = step !== name;
  say("");
  byId(name).querySelector("h1").focus();
}

function progress(done, total) {
  byId("progress").textContent = total === 0 ? "" : `${done + 1} of ${total}`;
}

// Asks about each clip in turn; `taken` gets what was answered, and `over` follows.
function askAll(question, ids, taken, over) {
  const from = (place) => {
    if (place === ids.length) {
      progress(0, 0);
      over();
      return;
    }
    progress(place, ids.length);
    question.ask(ids[place], (answer, plays, spent_s) => {
      taken.push({ clip: ids[place], answer, plays, spent_s });
      say("");
      from(place + 1);
      question.section.querySelector("h1").focus();
    });
  };
  from(0);
}

function rate(ids, isPractice, taken, over) {
  byId("part").textContent = isPractice ? "Practice" : "The test";
  byId("practice").hidden = !isPractice;
  show("rating");
  askAll(rating, ids, taken, over);
}

function setVolume() {
  const section = byId("volume");
  const next = section.querySelector(".next");
  const player = new Player(section.querySelector(".player"), say, fail);
  document.addEventListener("keydown", (event) => {
    if (!section.hidden && event.key.toLowerCase() === "p" && !player.button.disabled) player.button.click();
  });
  player.load(content.volume, () => {
    next.disabled = false;
    say("Heard.");
  });
  next.addEventListener("click", checkHeadphones);
  show("volume");
}

function checkHeadphones() {
  if (content.headphones.length === 0) {
    practise();
    return;
  }
  show("headphones");
  askAll(tones, content.headphones, answers.headphones, practise);
}

function practise() {
  rate(content.training, true, answers.training, () => {
    rate(shuffled(content.clips, answers.seed), false, answers.ratings, () => {
      answers.finished = new Date().toISOString();
      show("finish");
    });
  });
}

function save() {
  const file = `ratings-${content.test_id}-${answers.rater}.json`;
  const address = URL.createObjectURL(
    new Blob([JSON.stringify(answers, null, 1) + "\n"], { type: "application/json" }),
  );
  const link = document.createElement("a");
  link.href = address;
  link.download = file;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60000);
  isUnsaved = false;
  byId("file").textContent = file;
  byId("saved").hidden = false;
  say(`Saved as ${file}.`);
}

const tones = new Question(byId("headphones"), TONES, say, fail);
const rating = new Question(byId("rating"), SCALE, say, fail);
const numClips = content.clips.length + content.training.length + content.headphones.length;
byId("minutes").textContent = String(Math.max(2, Math.ceil(numClips / 6)));
byId("about").addEventListener("submit", (event) => {
  event.preventDefault();
  answers.rater = byId("rater").value;
  answers.device = byId("device").value;
  answers.hearing = byId("hearing").value;
  answers.seed = seedOf(`${content.test_id} ${answers.rater}`);
  answers.started = new Date().toISOString();
  isUnsaved = true;
  setVolume();
});
byId("save").addEventListener("click", save);
window.addEventListener("beforeunload", (event) => {
  if (isUnsaved) event.preventDefault();
});
show("welcome");
