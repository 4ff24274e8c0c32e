// A button that plays a clip to its end, and says when it was heard.

class Player {
  constructor(holder, say, fail) {
    this.sound = document.createElement("audio");
    this.button = document.createElement("button");
    this.button.type = "button";
    holder.append(this.button);
    this.say = say;
    this.button.addEventListener("click", () => {
      this.button.disabled = true;
      this.say("Playing.");
      this.sound.currentTime = 0;
      this.sound.play().catch(() => fail());
    });
    this.sound.addEventListener("ended", () => {
      this.plays += 1;
      this.button.disabled = false;
      this.button.textContent = "Play it again (P)";
      this.heard();
    });
    this.sound.addEventListener("error", () => fail());
  }

  load(id, heard) {
    this.plays = 0;
    this.heard = heard;
    this.button.disabled = false;
    this.button.textContent = "Play (P)";
    this.sound.src = `sounds/${id}.wav`;
  }
}
