"""Wordings and answers of the small-talk topics of the spoken-command domain; no tool belongs to them."""

from typing import Final, NamedTuple

from omni_audio.data.corpora.commands_templates import Wordings


class Topic(NamedTuple):
    """One topic: its templates by split, and its answers by the value of its slot ("" without a slot)."""

    templates: dict[str, Wordings]
    answers: dict[str, str]


def _topic(
    train: tuple[str, ...], dev: tuple[str, ...], test: tuple[str, ...], answers: dict[str, str] | str
) -> Topic:
    """Builds a topic; templates that begin with "!" are imperatives and lose the mark here."""

    def split(texts: tuple[str, ...]) -> Wordings:
        return Wordings(
            do=tuple(text[1:] for text in texts if text.startswith("!")),
            say=tuple(text for text in texts if not text.startswith("!")),
        )

    return Topic(
        templates={"train": split(train), "dev": split(dev), "test": split(test)},
        answers={"": answers} if isinstance(answers, str) else answers,
    )


TOPICS: Final[dict[str, Topic]] = {
    "greeting": _topic(
        (
            "good morning to you",
            "nice to meet you",
            "good to see you",
            "good day my friend",
            "hello my friend",
        ),
        ("nice to see you",),
        ("good to meet you my friend", "good morning my friend"),
        "hello, nice to meet you.",
    ),
    "how_are_you": _topic(
        (
            "how are you",
            "how are you doing",
            "how do you feel",
            "how is your day",
            "are you doing well",
            "how are you today",
            "is your day going well",
            "how do you do today",
        ),
        ("how do you feel today",),
        ("how is your day today", "are you well today"),
        "i am doing well, thank you.",
    ),
    "name": _topic(
        (
            "what is your name",
            "who are you",
            "what do people call you",
            "do you have a name",
            "!tell me your name",
            "what can i call you",
            "!say your name",
        ),
        ("what name do you have",),
        ("what do i call you", "!tell me who you are"),
        "my name is omni, i am your assistant.",
    ),
    "thanks": _topic(
        (
            "thank you very much",
            "thanks a lot",
            "that was very good",
            "you are very nice",
            "good work",
            "that was a lot of help",
            "you did very well",
        ),
        ("that was very nice",),
        ("you did good work", "that was good work"),
        "you are welcome.",
    ),
    "goodbye": _topic(
        (
            "goodbye",
            "see you later",
            "see you tomorrow",
            "i have to go now",
            "that is all for today",
            "good night",
            "goodbye and good night",
            "talk to you later",
        ),
        ("i have to go to work",),
        ("goodbye see you later", "that is all good night"),
        "goodbye, see you soon.",
    ),
    "help": _topic(
        (
            "what can you do",
            "how can you help me",
            "what do you do",
            "!tell me what you can do",
            "what do you know",
            "can you help me",
            "!help me",
        ),
        ("how do you help people",),
        ("what can you help me with", "!tell me how you can help"),
        "i can set timers, lights and the volume.",
    ),
    "human": _topic(
        (
            "are you a robot",
            "are you a human",
            "are you real",
            "are you a person",
            "are you a machine",
            "do you live in a machine",
            "are you a real person",
        ),
        ("are you a real robot",),
        ("are you a real human", "do you live like a person"),
        "i am a small computer program.",
    ),
    "bored": _topic(
        (
            "i am bored",
            "i am so bored today",
            "i have nothing to do",
            "what should i do",
            "my day is boring",
            "it is boring today",
            "there is nothing to do today",
            "what can i do today",
        ),
        ("i am bored and have nothing to do",),
        ("what should i do today", "there is nothing to do and i am bored"),
        "how about a walk in the park?",
    ),
    "joke": _topic(
        (
            "!tell me a joke about {slot}",
            "do you know a joke about {slot}",
            "!make me laugh about {slot}",
            "i want a joke about {slot}",
            "!say something funny about {slot}",
            "do you know something funny about {slot}",
            "!give me a joke about {slot}",
            "what is funny about {slot}",
            "!make a joke about {slot}",
        ),
        ("!tell me something funny about {slot}",),
        ("i want to laugh about {slot}", "!say a joke about {slot}", "!give me something funny about {slot}"),
        {
            "cats": "my cat likes the mouse, but not the keyboard.",
            "dogs": "my dog is a good watch dog, he tells the time.",
            "fish": "fish are smart, they live in schools.",
            "cows": "a cow with no legs is ground beef.",
            "music": "i lost my keys, so i could not play.",
            "bread": "the baker works hard, he needs the dough.",
        },
    ),
    "favorite": _topic(
        (
            "what is your favorite {slot}",
            "what {slot} do you like",
            "which {slot} do you like best",
            "!tell me your favorite {slot}",
            "do you have a favorite {slot}",
            "what {slot} do you like most",
            "which {slot} is your favorite",
            "what is the best {slot}",
            "!say which {slot} you like",
        ),
        ("which {slot} do you like most",),
        ("which {slot} is the best", "what {slot} is your favorite", "!tell me which {slot} you like best"),
        {
            "color": "i like blue, like the sky.",
            "animal": "i like owls, they listen so well.",
            "food": "i do not eat, but i like the word noodle.",
            "season": "i like spring, when the birds sing.",
            "number": "i like eight, it is so round.",
            "sport": "i like tennis, it goes back and forth.",
            "drink": "i do not drink, but tea sounds warm.",
        },
    ),
    "sound": _topic(
        (
            "what does a {slot} say",
            "what sound does a {slot} make",
            "how does a {slot} sound",
            "!sound like a {slot}",
            "!make the sound of a {slot}",
            "!tell me what a {slot} says",
            "!tell me how a {slot} sounds",
            "do you know the sound of a {slot}",
            "can you sound like a {slot}",
        ),
        ("!say what sound a {slot} makes",),
        (
            "!tell me what sound a {slot} makes",
            "do you know what a {slot} says",
            "do you know how a {slot} sounds",
        ),
        {
            "cow": "a cow says moo.",
            "duck": "a duck says quack quack.",
            "sheep": "a sheep says baa.",
            "frog": "a frog says ribbit.",
            "lion": "a lion makes a big roar.",
            "bee": "a bee goes buzz.",
            "snake": "a snake makes a long hiss.",
            "rooster": "a rooster says cock a doodle doo.",
        },
    ),
}
