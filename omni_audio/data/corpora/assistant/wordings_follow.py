"""Requests that lack an argument, and calls that follow another one in the same talk, with their wordings."""

from typing import Final, NamedTuple

from omni_audio.data.corpora.assistant.wordings import Blocks, register


class Question(NamedTuple):
    """A request that lacks an argument, and what the assistant asks back.

    Attributes:
        tool: the tool that is meant.
        argument: what is missing.
        question: the due answer.
        blocks: wordings of the request.
    """

    tool: str
    argument: str
    question: str
    blocks: Blocks


class Relation(NamedTuple):
    """A call that may follow another one in the same talk.

    Attributes:
        before: the tool of the call before.
        after: the tool of this call.
        taken: arguments that are taken over, by their names before and after.
        blocks: wordings of the follow-up.
    """

    before: str
    after: str
    taken: dict[str, str]
    blocks: Blocks


QUESTIONS: Final = (
    Question("set_alarm", "time", "sure, for what time?", (
        "!set an alarm\n!set an alarm for {purpose}\n!wake me up {when}\ni need an alarm {when}\n"
        "!wake me for {purpose}",
        "!schedule an alarm {when}", "!get me out of bed {when}\ni've got to get up {when} so wake me")),
    Question("set_timer", "seconds", "sure, for how long?", (
        "!set a timer\n!start a {label} timer\n!set a timer for the {label}\ni need a {label} timer\n"
        "!time the {label}",
        "!run a timer for the {label}", "!get the {label} timer going\ncan we time the {label}")),
    Question("cancel_alarm", "time", "which alarm, what time is it set for?", (
        "!cancel my alarm\n!turn off one of my alarms\n!delete an alarm\ni don't need that alarm anymore\n"
        "!get rid of an alarm",
        "!drop my alarm", "!scrap my alarm\none of my alarms can go")),
    Question("set_reminder", "time", "sure, at what time should i remind you?", (
        "!remind me to {task}\ndon't let me forget to {task}\n!remind me {when} to {task}\n"
        "i have to {task} so remind me\n"
        "!set a reminder to {task}",
        "!give me a nudge to {task}", "!poke me to {task}\nhelp me remember to {task} {when}")),
    Question("get_weather", "city", "for which city?", (
        "what's the weather like {when}\nwill it rain {when}\ndo i need an umbrella {when}\n"
        "how warm will it be {when}\n"
        "!check the weather for {day}",
        "!look up the forecast for {day}", "can i expect rain {when}\n!get me {day}'s forecast")),
    Question("play_song", "song", "which song would you like?", (
        "!play a song\n!play something by {artist}\n!put on a song by {artist}\ni want to hear {artist}\n"
        "!play a song by {artist}",
        "!spin something by {artist}", "!throw on something by {artist}\nwe could listen to {artist}")),
    Question("set_brightness", "percent", "how bright, in percent?", (
        "!dim the {room} light\n!change the brightness in the {room}\nthe {room} light is too bright\n"
        "!dim the lights in the {room}\ni don't like how bright the {room} is",
        "!adjust the {room} light", "!play with the brightness in the {room}\ncan we dim the {room}")),
    Question("set_light_color", "color", "which color would you like?", (
        "!change the color of the {room} light\n!give the {room} another color\n"
        "i want a different light color in the {room}\n"
        "!make the {room} light colorful\nthe {room} could use another color",
        "!put some color in the {room}", "!paint the {room} with light\nanother color in the {room} please")),
    Question("set_temperature", "temperature", "to what temperature?", (
        "!set the heating in the {room}\n!change the temperature in the {room}\n!set the thermostat\n"
        "i want another temperature in the {room}\n!change the heating in the {room}",
        "!adjust the {room} heating", "!fix the temperature in the {room}\n"
        "the thermostat in the {room} needs changing")),
    Question("set_light", "room", "in which room?", (
        "!turn {state} the light\n!switch the light {state}\nlight {state} please\n!turn the lights {state}\n"
        "i want the light {state}",
        "!get the light {state}", "!flip the light {state}\nthe light should be {state}")),
    Question("set_volume", "percent", "to how many percent?", (
        "!set the volume\n!change the volume\ni want another volume\n!set the sound to another level\n"
        "!put the volume somewhere else",
        "!adjust the volume", "!move the volume\nthe volume needs changing")),
    Question("send_message", "name", "who should get it?", (
        "!send a message saying {message}\n!text {message}\n!write a message saying {message}\n"
        "i want to send a text that says {message}\n!send the message {message}",
        "!drop a line saying {message}", "!pass this on {message}\n!get a message out saying {message}")),
    Question("send_message", "text", "what should it say?", (
        "!text {name}\n!send {name} a message\n!write to {name}\ni want to text {name}\n!message {name}",
        "!drop {name} a line", "!get a message to {name}\n!send word to {name}")),
    Question("call_contact", "name", "who would you like to call?", (
        "!call someone\n!make a phone call\ni want to call somebody\n!start a call\n!give somebody a call",
        "!place a call", "!get somebody on the line\ni've got to make a call")),
    Question("add_contact", "phone", "what's the number?", (
        "!add {first_name} to my contacts\n!save a contact called {first_name}\nnew contact {first_name}\n"
        "!put {first_name} in my contacts\n!save {first_name}'s number",
        "!create a contact for {first_name}", "!note {first_name}'s phone number\n"
        "!enter {first_name} in the phone book")),
    Question("create_event", "day", "on which day?", (
        "!put {an_event} in my calendar\n!add {an_event} at {time}\n!schedule {an_event}\n"
        "!make an entry for {an_event} at {time}\n!book {an_event}",
        "!pencil in {an_event}", "!plan {an_event} at {time}\n!get {an_event} into the diary")),
    Question("cancel_event", "title", "which event should i cancel?", (
        "!cancel an appointment\n!take something out of my calendar\n!delete an event\n"
        "i can't make it to my appointment\n"
        "!remove an entry from the calendar",
        "!strike something from my calendar", "!scratch something from my schedule\nan appointment fell through")),
    Question("navigate", "place", "where would you like to go?", (
        "!start directions\n!navigate\n!take me there by {mode}\n!give me directions\n!find me a route by {mode}",
        "!set a course", "!plot a route by {mode}\n!get me going by {mode}")),
    Question("get_travel_time", "place", "to which place?", (
        "how long does it take by {mode}\nhow long will the trip take\nhow much time do i need by {mode}\n"
        "what's the travel time by {mode}\nhow long's the way",
        "how quickly can i be there by {mode}", "how soon could i get there by {mode}\n!work out my travel time")),
    Question("add_to_list", "items", "what should i add?", (
        "!add something to the shopping list\n!put something on the list\ni need to buy something\n"
        "!write something on the shopping list\nthere's something missing on the list",
        "!stick something on the list", "!throw something on the shopping list\nwe could use a few things")),
    Question("remove_from_list", "item", "what should i take off?", (
        "!take something off the list\n!remove something from the shopping list\n"
        "there's a thing on the list we don't need\n"
        "!cross something off the list\n!delete something from the list",
        "!strike something from the list", "!scratch something from the list\nsomething can come off the list")),
    Question("convert_units", "to_unit", "into which unit?", (
        "!convert {quantity}\nhow much is {quantity} in another unit\n!change {quantity} to something else\n"
        "i need {quantity} in other units\n!tell me what {quantity} are",
        "!turn {quantity} into another unit", "!express {quantity} differently\n"
        "what else would you call {quantity}")),
)  # fmt: skip
QUESTION_WORDINGS = register(
    {f"missing-{question.tool}-{question.argument}": question.blocks for question in QUESTIONS}
)

RELATIONS: Final = (
    Relation("set_timer", "check_timer", {"label": "label"}, (
        "how long's left on that\nhow much longer now\nhow's that timer doing\n!check that timer\n"
        "is it almost done",
        "how far along is it", "what does it say now\nwhen will that be done")),
    Relation("set_timer", "cancel_timer", {"label": "label"}, (
        "never mind cancel it\n!stop that timer again\nactually i don't need that timer\nokay you can stop it",
        "forget that timer", "!scrap that one\noh it's done already stop it")),
    Relation("set_alarm", "cancel_alarm", {"time": "time"}, (
        "actually cancel that alarm\nnever mind no alarm\n!delete that alarm again\n"
        "i don't need that alarm after all",
        "!drop that alarm again", "!scrap that alarm\noh i can sleep in so cancel it")),
    Relation("set_light", "set_brightness", {"room": "room"}, (
        "!dim it to {percent} percent\nnow make it {percent} percent\nbut only at {percent} percent\n"
        "!set it to {percent} percent",
        "!take it to {percent} percent", "!bring that one to {percent} percent\nat {percent} percent please")),
    Relation("set_light", "set_light_color", {"room": "room"}, (
        "now make it {color}\n!turn it {color}\nand {color} please\ncan you make that {color}",
        "how about it in {color}", "!give it a {color} glow\nand what about {color} light")),
    Relation("play_song", "change_volume", {}, (
        "a bit louder please | direction=up\n!turn that up | direction=up\nthat's too loud | direction=down\n"
        "not that loud | direction=down\n!turn it down a bit | direction=down",
        "a touch louder | direction=up", "could you lower it | direction=down\n"
        "i want it louder than that | direction=up")),
    Relation("play_song", "control_music", {}, (
        "okay pause it | action=pause\n!skip this one | action=next\nenough stop it | action=stop\n"
        "not this one go to the next | action=next\n!hold it for a moment | action=pause",
        "i'm tired of it skip it | action=next", "wait pause that | action=pause\n"
        "that's enough music | action=stop")),
    Relation("play_genre", "control_music", {}, (
        "!skip that one | action=next\nnot this song | action=next\nokay stop the music again | action=stop\n"
        "!pause it please | action=pause\n!go back one song | action=previous",
        "i don't like that one | action=next", "something else please skip it | action=next\n"
        "quiet now stop it | action=stop")),
    Relation("send_message", "call_contact", {"name": "name"}, (
        "actually just call them\nand now call them\n!call them too\ni'd rather talk so call them",
        "!ring them as well", "oh just get them on the phone\nit's urgent so phone them")),
    Relation("read_messages", "send_message", {"name": "name"}, (
        "!reply {message}\n!write back {message}\nanswer {message}\n!tell them {message}",
        "!send back {message}", "!get back to them with {message}\nmy answer is {message}")),
    Relation("add_to_list", "read_list", {}, (
        "what's on the list now\n!read me the list\nwhat's on there now\nand what else do we need",
        "what does the list look like", "!run through the list now\nso what's on it all together")),
    Relation("create_event", "list_events", {"day": "day"}, (
        "what else do i have that day\nam i busy otherwise\n!read me that day\nis there anything else that day",
        "what does that day look like", "have i got more on that day\n!run me through that day")),
    Relation("get_travel_time", "navigate", {"place": "place", "mode": "mode"}, (
        "okay take me there\n!start directions\nalright let's go\nokay show me the way",
        "good lead me there", "fine get me there\nokay let's set off")),
    Relation("set_temperature", "get_temperature", {"room": "room"}, (
        "how warm is it now\nand what's it at now\nhow cold is it in there now\n"
        "how many degrees is it at the moment",
        "where's it at now", "and what's the temperature there right now\nis it warm in there yet")),
    Relation("get_weather", "set_reminder", {}, (
        "!remind me {when} at {time} to {task}\nokay remind me at {time} to {task}\n"
        "then remind me to {task} at {time}",
        "good to know nudge me at {time} to {task}", "in that case remind me at {time} to {task}\n"
        "alright poke me at {time} to {task}")),
    Relation("list_events", "create_event", {"day": "day"}, (
        "okay add {an_event} at {time}\nthen put {an_event} in at {time}\ngood schedule {an_event} for {time} then",
        "okay pencil in {an_event} at {time}", "good then plan {an_event} at {time}\n"
        "alright i'll have {an_event} at {time} then")),
    Relation("calculate", "calculate", {"result": "left"}, (
        "and times {factor} | operation=multiply\nand plus {factor} | operation=add\n"
        "now times {factor} | operation=multiply\n"
        "what's that plus {factor} | operation=add\nand minus {factor} | operation=subtract",
        "and if i add {factor} | operation=add", "and that times {factor} | operation=multiply\n"
        "take away {factor} from that | operation=subtract")),
)  # fmt: skip
RELATION_WORDINGS = register(
    {f"then-{relation.before}-{relation.after}": relation.blocks for relation in RELATIONS}
)
THANKS = register(
    {
        "thanks": (
            """
            thanks
            thank you
            great thanks
            perfect
            okay thanks a lot
            that's all
            you're the best
            thanks that helps
            """,
            """
            lovely thank you
            cheers
            """,
            """
            wonderful thanks
            brilliant that's it
            much appreciated
            """,
        )
    }
)
THANKS_ANSWERS: Final = ("you're welcome.", "any time.", "happy to help.", "no problem.")
