"""Wordings of what stands beside a request or after it: corrections, given values, changes, repairs, spelling."""

from typing import Final

from omni_audio.data.corpora.assistant.wordings import register

# The end of a name says how a value stands: plain, at (a time), in (a city, a room), to (a person), when (a day)
CORRECTIONS = register(
    {
        "correct-plain": (
            """
            no {value}
            no i meant {value}
            sorry {value} i mean
            actually make that {value}
            oh wait {value}
            i said {value}
            not {old} {value}
            that's wrong i said {value}
            """,
            """
            hold on i meant {value}
            no no {value}
            """,
            """
            wait make it {value}
            that should've been {value}
            i misspoke it's {value}
            """,
        ),
        "correct-at": (
            """
            no at {value}
            sorry i meant at {value}
            actually at {value}
            no not at {old} at {value}
            can you make that at {value}
            change it to {value}
            on second thought at {value}
            i meant at {value} not {old}
            """,
            """
            hold on make it at {value}
            better at {value}
            """,
            """
            wait at {value} please
            let's say at {value} instead
            i got that wrong it's at {value}
            """,
        ),
        "correct-in": (
            """
            no in {value}
            sorry i meant in {value}
            actually in {value}
            not in {old} in {value}
            i said in {value}
            oh no i meant {value}
            in {value} not in {old}
            """,
            """
            hold on in {value}
            the other one in {value}
            """,
            """
            wait i was thinking of {value}
            it should be in {value}
            i mixed it up in {value}
            """,
        ),
        "correct-to": (
            """
            no to {value}
            sorry i meant to {value}
            actually to {value}
            not to {old} to {value}
            no that's for {value}
            send it to {value} instead
            """,
            """
            hold on to {value} please
            i wanted {value} to get it
            """,
            """
            wait that one goes to {value}
            it was meant for {value}
            make {value} the one who gets it
            """,
        ),
        "correct-when": (
            """
            no {value}
            sorry i meant {value}
            actually {value}
            make it {value} instead
            wrong day {value} please
            i said {value}
            oh i meant {value}
            """,
            """
            hold on {value} please
            better {value}
            """,
            """
            wait it's {value}
            let's say {value} instead
            i got the day wrong it's {value}
            """,
        ),
    }
)
ANSWERS = register(
    {
        "give-plain": (
            """
            {value}
            {value} please
            um {value}
            let's say {value}
            make it {value}
            oh sorry {value}
            i think {value}
            """,
            """
            let me think {value}
            that would be {value}
            """,
            """
            {value} would be good
            perhaps {value}
            it's {value}
            """,
        ),
        "give-at": (
            """
            at {value}
            {value}
            um at {value}
            let's say at {value}
            make it {value}
            at {value} please
            """,
            """
            let me think at {value}
            {value} sounds good
            """,
            """
            at {value} would be good
            {value} is fine
            well at {value}
            """,
        ),
        "give-in": (
            """
            in {value}
            {value}
            um in {value}
            in {value} please
            i mean in {value}
            oh in {value}
            """,
            """
            let me think in {value}
            that would be {value}
            """,
            """
            over in {value}
            in {value} that is
            the one in {value}
            """,
        ),
        "give-to": (
            """
            to {value}
            {value}
            {value} please
            um {value}
            it's for {value}
            oh sorry {value}
            """,
            """
            it goes to {value}
            that would be {value}
            """,
            """
            {value} of course
            it's meant for {value}
            make that {value}
            """,
        ),
        "give-say": (
            """
            {value}
            tell them {value}
            it should say {value}
            write {value}
            just say {value}
            um {value}
            """,
            """
            put down {value}
            the text is {value}
            """,
            """
            please have it say {value}
            something like {value}
            type {value}
            """,
        ),
        "give-when": (
            """
            {value}
            {value} please
            um {value}
            let's say {value}
            make it {value}
            """,
            """
            let me think {value}
            {value} sounds good
            """,
            """
            {value} would be good
            {value} is fine
            well {value}
            """,
        ),
    }
)
CHANGES = register(
    {
        "vary-plain": (
            """
            and {value}
            what about {value}
            how about {value}
            and now {value}
            okay and {value}
            the same for {value}
            """,
            """
            then what about {value}
            and for {value}
            """,
            """
            alright and {value}
            could you do the same with {value}
            and how about {value}
            """,
        ),
        "vary-in": (
            """
            and in {value}
            what about in {value}
            how is it in {value}
            and over in {value}
            okay and in {value}
            the same in {value}
            """,
            """
            then what about in {value}
            and how is it in {value}
            """,
            """
            alright and in {value}
            could you check {value} as well
            and how about in {value}
            """,
        ),
        "vary-by": (
            """
            and by {value}
            what about by {value}
            how about by {value}
            and if i go by {value}
            okay and by {value}
            """,
            """
            then what about by {value}
            and with the {value}
            """,
            """
            alright and by {value}
            what if i take the {value}
            and how about by {value}
            """,
        ),
    }
)

JOINED = register(
    {
        "joined": (
            """
            {first} and {second}
            {first} and then {second}
            {first} then {second}
            {first} and also {second}
            first {first} then {second}
            {first} and please {second}
            """,
            """
            {first} and while you're at it {second}
            {first} and when that's done {second}
            """,
            """
            {first} and after that {second}
            {first} plus i'd like you to {second}
            start with this {first} and next {second}
            """,
        )
    }
)
"""Two requests in one sentence."""
REPAIRS = register(
    {
        "repair": (
            """
            {old} uh no {value}
            {old} no wait {value}
            {old} i mean {value}
            {old} sorry {value}
            {old} no {value}
            """,
            "{old} er no {value}",
            """
            {old} hang on no {value}
            {old} or rather {value}
            """,
        )
    }
)
"""Self-repairs inside one request; both values stand in the place of one slot."""
SPELLED = register(
    {
        "spelled-call": (
            """
            !call {first_name} that's {letters}
            !call {first_name} spelled {letters}
            !ring {first_name} i'll spell it {letters}
            i want to talk to {first_name} {letters}
            !dial {letters} that's {first_name}
            """,
            "!phone {first_name} with the letters {letters}",
            """
            !get {first_name} on the phone you write it {letters}
            !reach {first_name} the spelling is {letters}
            """,
        ),
        "spelled-contact": (
            """
            !add a contact called {letters} number {phone}
            !save {first_name} that's spelled {letters} with the number {phone}
            new contact {letters} the number is {phone}
            !put {letters} in my contacts under {phone}
            {first_name} spelled {letters} has the number {phone} please save it
            """,
            "!store {first_name} with the letters {letters} at {phone}",
            """
            !enter {letters} with the number {phone}
            !note a contact {first_name} you write it {letters} number {phone}
            """,
        ),
        "spelled-message": (
            """
            !text {first_name} spelled {letters} {message}
            !send {letters} the message {message}
            !tell {first_name} that's {letters} {message}
            !message {first_name} i'll spell it {letters} and say {message}
            !write to {letters} saying {message}
            """,
            "!drop {first_name} with the letters {letters} a line {message}",
            """
            !pass this on to {letters} {message}
            !let {first_name} you write it {letters} know {message}
            """,
        ),
        "spelled-song": (
            """
            !play the song {word} that's {letters}
            !play {letters}
            !put on the track called {letters}
            i want to hear {word} spelled {letters}
            !find the song {letters} and play it
            """,
            "!play the track with the letters {letters}",
            """
            !start the song you write {letters}
            !throw on {word} the spelling is {letters}
            """,
        ),
        "spelled-item": (
            """
            !add {word} to the list that's {letters}
            !put {letters} on the shopping list
            !write {word} spelled {letters} on the list
            we need {letters} on the list
            !add {letters} to my groceries
            """,
            "!stick {word} with the letters {letters} on the list",
            """
            !include {word} on the list the spelling is {letters}
            the shopping list should have {letters}
            """,
        ),
    }
)
"""Requests that spell a name or a word letter by letter; the argument is the word as written."""
SPELLED_TOOLS: Final = {
    "spelled-call": "call_contact",
    "spelled-contact": "add_contact",
    "spelled-message": "send_message",
    "spelled-song": "play_song",
    "spelled-item": "add_to_list",
}
