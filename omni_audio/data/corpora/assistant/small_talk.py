"""Small talk and requests that no tool serves: wordings by split, and the answers of a closed list."""

from typing import Final, NamedTuple

from omni_audio.data.corpora.assistant.wordings import Blocks, Wordings, register
from omni_audio.data.corpora.commands_small_talk import TOPICS, Topic


class Talk(NamedTuple):
    """One topic: its wordings, and its answers by the value of its slot ("" without a slot)."""

    name: str
    wordings: Wordings
    answers: dict[str, str]


_NEW: Final[dict[str, tuple[Blocks, str]]] = {
    "weekend": (
        ("how was your weekend\ndid you have a good weekend\nwhat did you do on the weekend\n"
        "any plans for the weekend\n"
         "what are you up to this weekend\nhow's your weekend been",
         "did you do anything nice this weekend\nwas your weekend good",
         "got anything going on this weekend\nhow did you spend the weekend\ntell me about your weekend"),
        "i was right here, ready to help."),
    "tired": (
        ("i'm so tired\ni didn't sleep well\ni'm exhausted\ni could fall asleep right now\nit's been a long day\n"
         "i need more sleep", "i can hardly keep my eyes open\ni'm really sleepy",
         "i was up half the night\ni'm worn out\nwhat a long day it's been"),
        "that sounds hard, maybe take a short rest."),
    "happy": (
        ("i'm so happy today\ni got the job\ni've had a great day\ni passed my exam\neverything went well today\n"
         "i feel great", "today was wonderful\ni'm in such a good mood",
         "things couldn't be better\ni just got good news\nwhat a lovely day i had"),
        "that's great, i'm glad to hear it."),
    "sad": (
        ("i'm feeling sad\ni had a bad day\nnothing went right today\ni feel a bit down\ni'm lonely\n"
        "today was awful",
         "i'm not feeling great\nmy day was terrible",
         "i feel like crying\nit was a horrible day\neverything's going wrong"),
        "i'm sorry to hear that, i'm here if you want to talk."),
    "sick": (
        ("i don't feel well\ni think i'm getting a cold\nmy head hurts\ni've got a sore throat\ni'm sick\n"
        "my stomach hurts",
         "i'm coming down with something\ni caught a cold",
         "i've been coughing all day\ni feel ill\nmy back is killing me"),
        "i'm sorry, i hope you feel better soon."),
    "birthday": (
        ("it's my birthday\ntoday's my birthday\nguess what it's my birthday\ni'm turning thirty today\n"
         "i've got my birthday today\nit's my birthday tomorrow",
         "i'm a year older today\nmy birthday's today",
         "did you know it's my birthday\ni'm celebrating my birthday\nthis is my birthday"),
        "happy birthday, i hope it's a good one."),
    "compliment": (
        ("you're great\nyou're really smart\nyou're so helpful\ni like your voice\nyou're funny\n"
        "you did a great job",
         "you've been a big help\ni like talking to you",
         "you're pretty clever\nwhat a nice voice you have\ni'm impressed by you"),
        "thank you, that's kind of you."),
    "complaint": (
        ("you got that wrong\nthat's not what i said\nyou're not listening\nyou don't understand me\n"
        "that was wrong\n"
         "you're no help", "you misheard me\nthat isn't what i wanted",
         "you've mixed that up\nthat's not it at all\nyou didn't get what i said"),
        "i'm sorry, could you say it again?"),
    "love": (
        ("i love you\ndo you love me\nwill you marry me\nwill you be my friend\nare we friends\ndo you like me",
         "would you be my best friend\ndo you care about me",
         "could we be friends\nam i your favorite person\nwould you marry me"),
        "i like helping you, that's what i'm here for."),
    "age": (
        ("how old are you\nwhat's your age\nwhen were you born\nwhen's your birthday\nare you old\n"
        "how long have you been around",
         "what year were you made\nhow many years old are you",
         "do you have a birthday\nare you older than me\nwhen did they make you"),
        "i don't have an age, i'm a program."),
    "home": (
        ("where do you live\nwhere are you\nwhere are you from\nwhere's your home\nwhat city do you live in\n"
        "where were you made",
         "whereabouts are you\nwhere do you come from",
         "what's your home like\nwhich country are you from\nwhere can i find you"),
        "i live in this device."),
    "sleep": (
        ("do you ever sleep\ndo you sleep\ndo you get tired\nwhat do you do at night\ndo you dream\n"
        "when do you go to bed",
         "don't you ever need a rest\ndo you take naps",
         "are you awake all night\ndo you ever get sleepy\nwhat do you dream about"),
        "i don't sleep, i just wait for you."),
    "hungry": (
        ("i'm hungry\ni'm starving\nwhat should i eat\nwhat's for dinner\ni don't know what to cook\n"
        "what should i have for lunch",
         "i could eat a horse\nany ideas for dinner",
         "my stomach is growling\nwhat could i cook tonight\ni haven't eaten all day"),
        "how about a warm soup with some bread?"),
    "sing": (
        ("!sing something\ncan you sing\n!sing me a song\ndo you know how to sing\n!sing a lullaby\n"
        "would you sing with me",
         "let's sing together\ndo you sing",
         "!sing a little tune\ni'd like to hear you sing\nwhat can you sing"),
        "la la la, that's all i've got."),
    "secret": (
        ("!tell me a secret\ndo you have a secret\ncan you keep a secret\nwhat's your secret\n"
        "do you know any secrets\n"
         "i've got a secret", "!share a secret with me\nare you hiding something",
         "is there something you're not telling me\n!let me in on a secret\ndo you keep secrets"),
        "i don't keep secrets, and i don't tell them either."),
    "weather_talk": (
        ("isn't it a beautiful day\nit's so hot today\nit's freezing outside\nlovely weather today\nwhat a storm\n"
         "it won't stop raining", "it's boiling out there\nsuch a gray day",
         "nice day isn't it\nwhat awful weather\nit's pouring outside"),
        "i can't feel it, but i hope you're comfortable."),
    "hearing": (
        ("can you hear me\nare you there\nhello are you listening\ndo you hear me\nare you awake\n"
        "testing one two three",
         "is anybody there\ncan you understand me",
         "are you with me\nis this thing on\ndo you copy"),
        "yes, i can hear you."),
}  # fmt: skip

_UNSERVED: Final[dict[str, tuple[Blocks, str]]] = {
    "order_food": (
        ("!order a pizza\n!order me some food\ni'd like to order thai food\n!get me a burger delivered\n"
         "!order dinner for {num} people\ncan i get a pizza for {num}",
         "!have a pizza sent to {city}\n!order lunch for {num}",
         "!get sushi delivered for {num}\ni want a curry brought to the house\n!order takeout for {num} people"),
        "sorry, i can't order food."),
    "book_flight": (
        ("!book a flight to {city}\ni need a plane ticket to {city}\n!find me a cheap flight to {city}\n"
         "!reserve a seat on the plane to {city}\nhow much is a flight to {city}\n"
         "!book me on a flight to {city} {when}",
         "!get me a ticket to {city}\ni want to fly to {city} {when}",
         "!buy a plane ticket for {city}\nare there flights to {city} {when}\n!fly me to {city}"),
        "sorry, i can't book flights."),
    "book_hotel": (
        ("!book a hotel in {city}\ni need a room in {city}\n!find a hotel in {city} for {num} nights\n"
        "!reserve a hotel in {city}\n"
         "are there cheap hotels in {city}\n!get me a hotel in {city} {when}",
         "!look for a place to stay in {city}\n!rent an apartment in {city}",
         "where can i stay in {city}\n!book {num} nights in {city}\n!get me a bed in {city} {when}"),
        "sorry, i can't book hotels."),
    "call_taxi": (
        ("!call me a taxi\n!get me a cab to {place}\ni need a taxi to {place}\n!order a taxi to {place}\n"
        "!book a ride to {place}\n"
         "can you get a cab for {num} people",
         "!send a cab that brings me to {place}\ni need a ride to {place}",
         "!find a driver for {place}\n!hail a cab to {place}\ncould a taxi pick {num} of us up"),
        "sorry, i can't order taxis."),
    "vacuum": (
        ("!vacuum the {room}\n!start the vacuum\n!clean the {room}\n!send the robot to the {room}\n"
        "!sweep the {room} floor\n"
         "the {room} is dirty can you clean it",
         "!mop the {room}\nthe {room} needs a good clean",
         "!run the vacuum in the {room}\n!scrub the {room} floor\nit's dusty in the {room} please clean up"),
        "sorry, i can't clean rooms."),
    "stocks": (
        ("how's the stock market\nwhat are stocks doing {when}\n!buy some shares\nshould i sell my shares {when}\n"
         "what's gold worth {when}\n!sell {num} of my shares",
         "!buy {num} shares\nare stocks up {when}",
         "is the market down {when}\n!invest {num} dollars for me\nhow are my shares doing {when}"),
        "sorry, i can't help with the stock market."),
    "news": (
        ("what's in the news\n!read me the news from {city}\nwhat happened in {city} {when}\n"
        "any news from {city} today\n"
         "!tell me the headlines\nwhat's the latest from {city}",
         "!give me the news about {city}\nwhat's going on in {city}",
         "anything new happening in {city}\n!catch me up on {city}\nwhat are the headlines in {city}"),
        "sorry, i can't look up the news."),
    "sports": (
        ("who won the game in {city}\nwhat's the score\ndid {city} win\nwhen does {city} play next\n"
        "how did {city} do {when}\n"
         "!tell me the score of the {city} game",
         "is {city} playing {when}\nwhat was the result in {city}",
         "did the {city} team win\nwho's ahead in {city}\n!look up the match in {city}"),
        "sorry, i can't look up scores."),
    "photo": (
        ("!take a picture\n!take a photo of the {room}\n!show me my pictures from {city}\n!send {name} a photo\n"
         "!make a video of the {room}\n!delete my photos from {city}",
         "!snap a picture of the {room}\n!film the {room}",
         "!get a shot of the {room}\n!find my pictures of {name}\n!record a video for {name}"),
        "sorry, i can't take or show pictures."),
    "money": (
        ("!send {name} {num} dollars\n!pay {name} {num} dollars\nhow much money do i have\n"
        "!transfer {num} dollars to {name}\n"
         "what's on my bank account\n!lend {name} {num} dollars",
         "!wire {num} dollars to {name}\n!give {name} {num} dollars from my account",
         "!move {num} dollars over to {name}\ni owe {name} {num} dollars pay it\ndid {name} pay me back"),
        "sorry, i can't move money."),
    "translate": (
        ("how do you say {phrase} in spanish\n!translate {phrase} into french\nwhat's {phrase} in german\n"
         "!say {phrase} in italian\nwhat does {phrase} mean in polish\n!translate {phrase} for me",
         "how would i say {phrase} in dutch\n!put {phrase} into greek",
         "what's the russian for {phrase}\n!give me {phrase} in swedish\nhow does {phrase} go in czech"),
        "sorry, i can't translate."),
    "door": (
        ("!lock the {room} door\n!open the {room} window\n!close the blinds in the {room}\n!open the garage\n"
         "is the {room} door locked\n!unlock the door for {name}",
         "!shut the {room} window\n!let {name} in",
         "!pull the blinds down in the {room}\ndid i lock the {room} door\n!bolt the {room} door"),
        "sorry, i can't control doors or windows."),
    "email": (
        ("!send {name} an email\n!read my email\ndid {name} send me an email\n!write an email to {name}\n"
         "!delete the email from {name}\n!answer the email from {name}",
         "any email from {name}\n!forward the email to {name}",
         "!check my inbox for {name}\n!mail {name} the document\nis there an email from {name}"),
        "sorry, i can't handle email."),
    "coffee": (
        ("!make me a coffee\n!brew {num} cups of coffee\n!start the coffee machine\n!cook {num} eggs\n"
         "!turn on the oven\n!heat the oven for the {label}",
         "!boil some water for {num}\n!put the kettle on",
         "!pour {num} cups of tea\n!get the coffee going for {num}\n!fry {num} eggs"),
        "sorry, i can't cook or brew anything."),
    "film": (
        ("!play a film\n!find a film about {city}\nwhat's on television {when}\n"
        "!turn on the television in the {room}\n"
         "!record the show {when}\nwhat films are showing in {city}",
         "!switch the channel in the {room}\nis there a good film on {when}",
         "!put on a show about {city}\nwhat can i watch {when}\n!start a movie in the {room}"),
        "sorry, i can't play films or television."),
}  # fmt: skip


def _lines(topic: Topic) -> Blocks:
    blocks = []
    for split in ("train", "dev", "test"):
        wordings = topic.templates[split]
        blocks.append("\n".join([*(f"!{text}" for text in wordings.do), *wordings.say]))
    return blocks[0], blocks[1], blocks[2]


_OLD = {name: topic for name, topic in TOPICS.items() if name != "help"}
_READ_OLD = register({f"talk-{name}": _lines(topic) for name, topic in _OLD.items()})
_READ_NEW = register({f"talk-{name}": blocks for name, (blocks, _) in _NEW.items()})
_READ_UNSERVED = register({f"unserved-{name}": blocks for name, (blocks, _) in _UNSERVED.items()})

SMALL_TALK: Final = (
    *(Talk(name, _READ_OLD[f"talk-{name}"], topic.answers) for name, topic in _OLD.items()),
    *(Talk(name, _READ_NEW[f"talk-{name}"], {"": answer}) for name, (_, answer) in _NEW.items()),
)
UNSERVED: Final = tuple(
    Talk(name, _READ_UNSERVED[f"unserved-{name}"], {"": answer}) for name, (_, answer) in _UNSERVED.items()
)
"""Requests that no tool of the domain serves."""
