"""Wordings of tools for time, alarms, timers and reminders."""

from omni_audio.data.corpora.assistant.wordings import register

CLOCK_WORDINGS = register(
    {
        "get_time": (
            """
            what time is it
            what's the time
            what time is it in {city}
            what's the time in {city}
            do you know what time it is
            do you have the time
            !tell me the time
            !tell me what time it is in {city}
            what time do they have in {city} right now
            how late is it in {city}
            is it late in {city} already
            the time in {city}
            i need to know the time in {city}
            what does the clock say in {city}
            !check the time in {city}
            what's the local time in {city}
            """,
            """
            !give me the time
            what's the time over in {city}
            got the time for {city}
            """,
            """
            have you got the time
            what time would it be in {city} now
            !let me know what time it is in {city}
            what hour is it in {city}
            """,
        ),
        "get_date": (
            """
            what's the date {on_day}
            what date is it {on_day}
            what date do we have {on_day}
            !tell me the date for {day}
            what's {day}'s date
            which date is {day}
            do you know {day}'s date
            !tell me what date {day} is
            the date for {day}
            i need {day}'s date
            what's the date for {day}
            !check {day}'s date
            """,
            """
            what day of the month is {day}
            !give me {day}'s date
            what date will {day} be
            """,
            """
            what's the exact date {on_day}
            !look up the date for {day}
            do you know what date {day} is
            {day} is which date
            """,
        ),
        "set_alarm": (
            """
            !set an alarm for {time}
            !set an alarm for {time} {when}
            !set my alarm for {time} {when}
            !wake me up at {time}
            !wake me at {time} {when}
            !get me up at {time} {when}
            !set an alarm at {time} for {purpose}
            i need an alarm for {time}
            i need to be up at {time} {when}
            i have to get up at {time} {when}
            !make sure i'm up by {time} {when}
            an alarm for {time} {when}
            alarm at {time}
            !put an alarm on for {time} {when}
            !wake me up for {purpose} at {time}
            !add an alarm for {purpose} at {time} {when}
            i'd like to wake up at {time} {when}
            can i get an alarm for {time}
            """,
            """
            !schedule an alarm for {time} {when}
            i want to be awake at {time} {when}
            !ring me out of bed at {time}
            """,
            """
            !have an alarm go off at {time} {when}
            i've got to be awake by {time} {when}
            don't let me sleep past {time} {when}
            !create an alarm for {purpose} at {time}
            """,
        ),
        "cancel_alarm": (
            """
            !cancel my alarm at {time}
            !cancel the {time} alarm
            !turn off the alarm for {time}
            !turn off my {time} alarm
            !delete the {time} alarm
            i don't need the alarm at {time} anymore
            no alarm at {time} after all
            !remove the alarm for {time}
            !get rid of my {time} alarm
            !kill the alarm at {time}
            i don't want to be woken at {time}
            !forget about the {time} alarm
            !switch off the {time} alarm
            """,
            """
            !drop the alarm at {time}
            i won't need my {time} alarm
            !clear the alarm for {time}
            """,
            """
            !scrap the {time} alarm
            !take out the alarm at {time}
            there's no need to wake me at {time}
            i changed my mind about the {time} alarm so cancel it
            """,
        ),
        "set_timer": (
            """
            !set a timer for {duration}
            !start a timer for {duration}
            !set a {compound} timer
            !start a {compound} timer
            !give me a {compound} timer
            !put {duration} on the clock
            !time me for {duration}
            !count down from {duration}
            timer for {duration}
            {duration} on the timer
            i need a {compound} timer
            i need a timer for {duration}
            !set a {label} timer for {duration}
            !start a {compound} timer for the {label}
            the {label} needs {duration}
            !time the {label} for {duration}
            !let me know when {duration} are up
            can i have a {compound} timer for the {label}
            """,
            """
            !run a timer for {duration}
            i'd like {duration} on the timer
            !get a {label} timer going for {duration}
            """,
            """
            !begin a {compound} countdown
            !put a timer on for {duration}
            my {label} takes {duration} so set a timer
            i want you to time {duration}
            !make it a {compound} timer for the {label}
            """,
        ),
        "cancel_timer": (
            """
            !cancel the timer
            !stop the timer
            !cancel the {label} timer
            !stop the {label} timer
            !turn off the {label} timer
            i don't need the {label} timer anymore
            the {label} is done so stop the timer
            !end the {label} timer
            !kill my {label} timer
            !get rid of the {label} timer
            forget the {label} timer
            no more {label} timer
            !shut off the timer for the {label}
            !delete the timer for the {label}
            """,
            """
            !clear the {label} timer
            we can stop timing the {label}
            !drop the timer for the {label}
            """,
            """
            !scrap the {label} timer
            i'm done with the {label} so no need for the timer
            !quit the {label} timer
            the timer for the {label} can go
            """,
        ),
        "check_timer": (
            """
            how long's left on the timer
            how much time is left on the {label} timer
            how long does the {label} timer have
            how many minutes are left on the {label} timer
            !check the {label} timer
            is the {label} timer almost done
            when's the {label} timer done
            !tell me how long the {label} still needs
            what's left on the {label} timer
            how's the {label} timer doing
            how much longer for the {label}
            is there much left on the {label} timer
            """,
            """
            where's the {label} timer at
            !see how long the {label} timer has to go
            how far along is the {label} timer
            """,
            """
            what does the {label} timer say
            !look at the {label} timer and tell me what's left
            when will the {label} be ready
            how long until the {label} timer goes off
            """,
        ),
        "set_reminder": (
            """
            !remind me to {task} at {time}
            !remind me to {task} {when} at {time}
            !remind me {when} at {time} to {task}
            !remind me at {time} to {task}
            don't let me forget to {task} at {time}
            i need to {task} at {time} so remind me
            i have to {task} {when} at {time} so give me a reminder
            !set a reminder to {task} at {time}
            !set a reminder for {time} {when} to {task}
            !make sure i {task} at {time}
            at {time} i have to {task} so please remind me
            !add a reminder to {task} {when} at {time}
            !put down a reminder to {task} at {time}
            i want to be reminded to {task} at {time}
            """,
            """
            !give me a nudge at {time} to {task}
            !tell me to {task} when it's {time}
            don't let me forget {when} at {time} to {task}
            """,
            """
            !poke me at {time} to {task}
            !create a reminder for {time} {when} saying {task}
            help me remember to {task} {when} at {time}
            i should {task} at {time} can you remind me
            """,
        ),
        "list_reminders": (
            """
            what are my reminders for {day}
            do i have any reminders for {day}
            !read me my reminders for {day}
            what do i have to do {when}
            what do i need to remember {when}
            what should i not forget {when}
            !tell me my reminders for {day}
            any reminders {when}
            is there anything i should remember {when}
            !go through my reminders for {day}
            !check my reminders for {day}
            which reminders are set for {day}
            """,
            """
            what did i ask you to remind me of {when}
            !list {day}'s reminders
            are there reminders for {day}
            """,
            """
            !run through {day}'s reminders
            what's on my reminder list {when}
            what am i supposed to remember {when}
            did i set any reminders for {day}
            """,
        ),
    }
)
