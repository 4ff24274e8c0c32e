// Puts the parts of the page together: what the controls do.

import { Api, readOptions } from "./api.js";
import { toBase64 } from "./base64.js";
import { Exchange } from "./exchange.js";
import { Notices } from "./notices.js";
import { hush, openLoudspeaker, PlayingSound } from "./player.js";
import { pressToTalk } from "./press-to-talk.js";
import { Recorder } from "./recorder.js";
import { REQUEST_RATE_HZ, samplesOfFile } from "./request-sound.js";
import { Settings } from "./settings.js";
import { Talk, userMessage } from "./talk.js";
import { TurnView } from "./turn-view.js";
import { encodeWav } from "./wav.js";

const LEAST_SOUND_S = 0.1;

const find = (id) => document.getElementById(id);
const notices = new Notices(find("status"), find("error"));
const settings = new Settings(find);
let talk = new Talk();
let options = null;
let exchange = null; // what is on its way or still heard
let whenDone = Promise.resolve(); // of the exchange before
let openCalls = null; // the view whose calls wait for results
let recording = null; // {state: "opening" | "listening" | "closing" | "stopped", recorder}

/** Runs what a control asks for; whatever fails is told in words. */
async function act(work) {
  try {
    await work();
  } catch (error) {
    notices.tell(error);
  }
}

async function connect() {
  settings.offerModels(await new Api(settings.apiKey).models());
  notices.say("Ready.");
}

async function begin() {
  options = await readOptions();
  settings.offer(options);
  if (options.needs_key) notices.say("This server asks for an API key: write it under Settings and read the models.");
  else await connect();
}

/** Ends what is on its way or heard. */
async function endExchange() {
  exchange?.stop();
  hush();
  await whenDone;
}

async function stop() {
  if (recording?.state === "opening") recording.state = "stopped"; // startRecording() ends it as soon as it can
  else if (recording?.state === "listening") await closeRecording();
  await endExchange();
  notices.say("Stopped.");
}

function newTurn(kind, title) {
  find("no-turns").hidden = true;
  const view = new TurnView(find("turns"), kind, title);
  view.body.scrollIntoView({ block: "nearest" });
  return view;
}

/** Asks for an answer to these messages and follows it to its last sound. */
async function ask(asked) {
  const fields = settings.fields;
  const current = talk;
  const view = newTurn("answer", "Answer");
  const mine = new Exchange(view, fields.audio?.speed ?? 1);
  exchange = mine;
  notices.say("Sent. Waiting for the answer.");
  try {
    const body = { ...fields, messages: current.request(asked) };
    const isSpoken = fields.audio !== undefined;
    const answer = await mine.run(new Api(settings.apiKey), body, () => {
      notices.say(isSpoken ? "The answer is coming." : "The answer is being written.");
    });
    current.keep(asked, answer, mine.isWhole);
    openCalls?.closeResults();
    openCalls = null;
    if (mine.hasSound) view.addButton("Play the answer", () => mine.replay());
    if (mine.isStopped) view.note(answer.text || mine.hasSound ? "Stopped: the rest was not made." : "Stopped before it began; not part of the talk.");
    else if (answer.wholeCalls.length) waitForResults(view, answer.wholeCalls);
    else if (answer.calls.length) view.note("Not part of the talk: a limit cut the call off.");
    await mine.over();
    if (exchange === mine) notices.say(endNotice(mine, answer));
  } catch (error) {
    view.note(`Not part of the talk: ${error.message}`);
    throw error;
  } finally {
    if (exchange === mine) exchange = null;
  }
}

function endNotice(done, answer) {
  if (done.isStopped) return "Stopped.";
  if (answer.wholeCalls.length) return `The answer calls ${answer.calls.map((call) => call.name).join(", ")}. Write the result under it.`;
  if (answer.calls.length) return "A limit cut the call off.";
  // A voice was heard already; written words are for the screen reader to say.
  return done.hasSound ? "The answer is over." : `Answer: ${answer.text}`;
}

function waitForResults(view, calls) {
  openCalls = view;
  view.askResults(calls, (results) => act(async () => {
    await send(calls.map((call, index) => ({ role: "tool", tool_call_id: call.id, content: results[index] })), () => {
      newTurn("request", "Result of the call").transcript.append(results.join("\n"));
    });
  }));
}

/** Sends messages behind whatever was on its way, which ends. */
async function send(asked, show) {
  openLoudspeaker();
  void settings.fields; // refuses before anything is shown or stopped
  await endExchange();
  show();
  whenDone = ask(asked).catch((error) => notices.tell(error));
  await whenDone;
}

/** Sends a user's message of text, sound or both. */
async function sendUser(text, pcm, onShown = () => {}) {
  if (pcm !== null) checkLength(pcm);
  const wav = pcm === null ? null : toBase64(encodeWav(pcm, REQUEST_RATE_HZ));
  await send([userMessage(text, wav)], () => {
    const view = newTurn("request", "You");
    view.transcript.append(text);
    onShown();
    if (pcm === null) return;
    view.showSound(pcm, REQUEST_RATE_HZ, true);
    view.setFigure("sound sent", `${(pcm.length / REQUEST_RATE_HZ).toFixed(1)} s`);
    view.addButton("Play the request", () => {
      const playing = new PlayingSound(REQUEST_RATE_HZ);
      playing.push(pcm);
      playing.finish();
    });
  });
}

function checkLength(pcm) {
  const seconds = pcm.length / REQUEST_RATE_HZ;
  if (seconds < LEAST_SOUND_S) throw new Error("Nothing was recorded. Hold the button, or press it shortly, while you speak.");
  if (seconds > options.max_input_audio_s) {
    throw new Error(`The sound has ${seconds.toFixed(1)} s and the server takes ${options.max_input_audio_s} s. Send less sound.`);
  }
}

async function sendComposed() {
  const [text, file] = [find("text"), find("file")];
  if (!text.value.trim() && !file.files.length) throw new Error("There is nothing to send. Talk, write a text or choose a sound file.");
  const pcm = file.files.length ? await samplesOfFile(file.files[0]) : null;
  await sendUser(text.value.trim(), pcm, () => {
    text.value = "";
    file.value = "";
  });
}

function showRecording(label, isListening) {
  find("press-label").textContent = label;
  find("press-to-talk").classList.toggle("listening", isListening);
}

/** @returns {Promise<Float32Array>} what was heard, 16 kHz */
async function closeRecording() {
  const { recorder } = recording;
  recording.state = "closing";
  const pcm = await recorder.stop();
  recording = null;
  showRecording("Hold to talk", false);
  return pcm;
}

async function startRecording() {
  void settings.fields;
  openLoudspeaker();
  exchange?.stop();
  hush();
  const mine = { state: "opening", recorder: null };
  recording = mine;
  showRecording("Opening the microphone…", false);
  try {
    mine.recorder = await Recorder.open();
  } catch (error) {
    recording = null;
    showRecording("Hold to talk", false);
    throw error;
  }
  if (mine.state === "stopped") {
    await closeRecording();
    return;
  }
  if (mine.state === "closing") {
    await closeRecording();
    throw new Error("The microphone was not open yet when you let go. Press again to talk.");
  }
  mine.state = "listening";
  showRecording("Listening: let go, or press, to send", true);
  notices.say("Listening.");
}

async function stopRecording() {
  if (recording?.state === "opening") recording.state = "closing"; // startRecording() ends it as soon as it can
  else if (recording?.state === "listening") await sendUser("", await closeRecording());
}

pressToTalk(find("press-to-talk"), {
  isOn: () => recording !== null,
  start: () => act(startRecording),
  stop: () => act(stopRecording),
});
find("message-form").addEventListener("submit", (event) => {
  event.preventDefault();
  void act(sendComposed);
});
find("text").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  find("message-form").requestSubmit();
});
find("stop").addEventListener("click", () => act(stop));
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") void act(stop);
});
find("new-talk").addEventListener("click", () => act(async () => {
  await stop();
  talk = new Talk();
  openCalls = null;
  find("turns").replaceChildren();
  find("no-turns").hidden = false;
  notices.say("A new talk: nothing of the old one is sent.");
  find("text").focus();
}));
find("settings").addEventListener("submit", (event) => {
  event.preventDefault();
  void act(connect);
});
void act(begin);
