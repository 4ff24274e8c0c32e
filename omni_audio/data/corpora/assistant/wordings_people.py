"""Wordings of tools for messages, calls and the calendar."""

from omni_audio.data.corpora.assistant.wordings import register

PEOPLE_WORDINGS = register(
    {
        "send_message": (
            """
            !text {name} {message}
            !tell {name} {message}
            !send {name} a message saying {message}
            !message {name} and say {message}
            !write {name} that {message}
            !send a text to {name} saying {message}
            !let {name} know {message}
            !text {name} and say {message}
            a message to {name} that says {message}
            i want to text {name} {message}
            !send {name} the message {message}
            !write a message to {name} saying {message}
            """,
            """
            !drop {name} a line saying {message}
            !shoot {name} a text saying {message}
            i need to tell {name} {message}
            """,
            """
            !send word to {name} that {message}
            !get a message to {name} saying {message}
            !pass this on to {name} {message}
            i'd like {name} to know {message}
            """,
        ),
        "read_messages": (
            """
            do i have any new messages
            !read my messages
            !read me the messages from {name}
            did {name} write to me
            did {name} text me
            what did {name} say
            any news from {name}
            !check if {name} wrote
            are there messages from {name}
            is there anything from {name}
            !read out what {name} sent
            have i got a text from {name}
            """,
            """
            has {name} written back
            !open the messages from {name}
            what's new from {name}
            """,
            """
            has {name} replied yet
            !go through the messages from {name}
            what does {name} want
            did i hear back from {name}
            """,
        ),
        "call_contact": (
            """
            !call {name}
            !give {name} a call
            !phone {name}
            !ring {name}
            !get {name} on the phone
            i want to talk to {name}
            i need to speak to {name}
            !start a call with {name}
            !dial {name}
            can i talk to {name}
            !put me through to {name}
            let's call {name}
            !try calling {name}
            """,
            """
            !connect me with {name}
            i'd like to speak with {name}
            !give {name} a ring
            """,
            """
            !get hold of {name} for me
            !place a call to {name}
            !reach {name} by phone
            i've got to talk to {name}
            """,
        ),
        "call_number": (
            """
            !call {phone}
            !dial {phone}
            !call the number {phone}
            !dial the number {phone}
            !phone {phone}
            i want to call {phone}
            !ring {phone}
            !start a call to {phone}
            the number is {phone} please call it
            !give {phone} a call
            !try {phone}
            i need to call {phone}
            """,
            """
            !connect me to {phone}
            !get {phone} on the line
            the number's {phone} give it a ring
            """,
            """
            !place a call to the number {phone}
            !get me connected with {phone}
            i'd like to reach {phone}
            !key in {phone} and call
            """,
        ),
        "add_contact": (
            """
            !add {first_name} to my contacts the number is {phone}
            !save {first_name}'s number it's {phone}
            !store {first_name} with the number {phone}
            !add a contact called {first_name} with {phone}
            {first_name}'s number is {phone} please save it
            !put {first_name} in my contacts under {phone}
            new contact {first_name} number {phone}
            !save the number {phone} for {first_name}
            i've got a new number for {first_name} it's {phone}
            !remember {first_name}'s number {phone}
            !make a contact for {first_name} with number {phone}
            !add {first_name} at {phone} to the phone book
            """,
            """
            !write down {first_name}'s number it's {phone}
            !create a contact {first_name} with {phone}
            {phone} belongs to {first_name} so save it
            """,
            """
            !note {first_name}'s phone number {phone}
            !keep {phone} as {first_name}'s number
            you can reach {first_name} at {phone} so add that
            !enter {first_name} with the number {phone}
            """,
        ),
        "create_event": (
            """
            !put {an_event} in my calendar for {day} at {time}
            !add {event} {when} at {time}
            !schedule {an_event} for {day} at {time}
            i have {an_event} {when} at {time}
            !add {event} to my calendar {when}
            !book {an_event} for {day} at {time}
            there's {an_event} {when} at {time} put it in
            !make an entry for {an_event} {when}
            i've got {an_event} {when} at {time} write that down
            !set up {an_event} for {time} {when}
            {event} {when} at {time}
            !put down {event} for {day}
            i want {an_event} in the calendar {when} at {time}
            """,
            """
            !enter {an_event} for {day} at {time}
            !pencil in {an_event} {when} at {time}
            !note {event} in the calendar for {day}
            """,
            """
            !block {time} {when} for {an_event}
            !plan {an_event} for {day} at {time}
            my calendar should have {an_event} {when}
            !get {event} into the diary for {day} at {time}
            """,
        ),
        "list_events": (
            """
            what's on my calendar {when}
            what do i have {when}
            what's {day} look like
            do i have anything planned {when}
            am i free {when}
            !read me my calendar for {day}
            what are my plans {when}
            how busy am i {when}
            is there anything in the calendar {when}
            !show me what's planned {when}
            when's my first appointment {when}
            any appointments {when}
            """,
            """
            what's happening {when}
            !check my calendar for {day}
            am i busy {when}
            """,
            """
            what does my diary say for {day}
            !go over {day}'s plans
            have i got anything on {when}
            is {day} full already
            """,
        ),
        "cancel_event": (
            """
            !cancel the {event}
            !cancel my {event}
            !take the {event} out of my calendar
            !delete the {event} from my calendar
            the {event} isn't happening so delete it
            i can't make it to the {event} take it out
            !remove the {event} from the calendar
            i'm not going to the {event} anymore so cancel it
            !drop the {event} from my schedule
            the {event} is off
            !clear the {event} from the calendar
            the {event} isn't on after all
            """,
            """
            !strike the {event} from my calendar
            the {event} was called off please delete it
            i'm skipping the {event} so take it out
            """,
            """
            !scratch the {event} from my calendar
            the {event} fell through so remove it
            !erase the {event} from the schedule
            i won't go to the {event} cancel it please
            """,
        ),
    }
)
