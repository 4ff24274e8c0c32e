"""Wordings of tools for weather, navigation, shopping, units and arithmetic."""

from omni_audio.data.corpora.assistant.wordings import register

WORLD_WORDINGS = register(
    {
        "get_weather": (
            """
            what's the weather in {city}
            what's the weather like in {city} {when}
            how's the weather in {city}
            what's it like in {city} {when}
            will it rain in {city} {when}
            do i need an umbrella in {city} {when}
            is it cold in {city}
            how warm will it be in {city} {when}
            what's the forecast for {city} {when}
            !check the weather in {city}
            !tell me the weather for {city} {when}
            {city} weather {when}
            is it going to snow in {city} {when}
            is the sun out in {city}
            should i take a coat to {city} {when}
            i'm going to {city} {when} what's the weather
            """,
            """
            !look up the forecast for {city}
            is {city} sunny {when}
            how's {city} looking {when} weather wise
            """,
            """
            what kind of weather do they have in {city}
            !get me the forecast for {city} {when}
            can i expect rain in {city} {when}
            will i freeze in {city} {when}
            """,
        ),
        "navigate": (
            """
            !take me to {place}
            !navigate to {place}
            how do i get to {place}
            how do i get to {place} by {mode}
            !give me directions to {place}
            !show me the way to {place}
            i want to go to {place} by {mode}
            !start directions to {place}
            !guide me to {place}
            i need to get to {place}
            what's the way to {place} on foot | mode=foot
            !find a route to {place} by {mode}
            let's go to {place}
            !bring me to {place} by {mode}
            """,
            """
            !lead me to {place}
            which way to {place} by {mode}
            !set a course for {place}
            """,
            """
            !get me to {place} by {mode}
            where do i turn for {place}
            i have to be at {place} so show me the route
            !plot a way to {place}
            """,
        ),
        "get_travel_time": (
            """
            how long does it take to get to {place}
            how long to {place} by {mode}
            how long will it take me to {place}
            how far is it to {place} in minutes
            how much time do i need to {place} by {mode}
            how many minutes is it to {place}
            how long's the trip to {place}
            what's the travel time to {place} by {mode}
            !tell me how long it takes to {place}
            how long is it to {place} on foot | mode=foot
            !check how long i need to {place} by {mode}
            is it a long way to {place}
            """,
            """
            how quickly can i be at {place}
            what's the trip to {place} by {mode} like for time
            !see how long it takes to reach {place}
            """,
            """
            how soon could i be at {place} by {mode}
            !work out the time to {place}
            will it take long to reach {place}
            how many minutes to {place} by {mode}
            """,
        ),
        "add_to_list": (
            """
            !add {items} to the shopping list
            !put {items} on the list
            !put {items} on my shopping list
            we need {items}
            we're out of {items}
            i need to buy {items}
            !add {items} to my groceries
            {items} for the shopping list
            we've run out of {items}
            !write {items} on the shopping list
            we should get {items}
            i'm almost out of {items} add that to the list
            don't let me forget to buy {items}
            """,
            """
            !note {items} on the shopping list
            there's no more {items} put that on the list
            !stick {items} on the list
            """,
            """
            !throw {items} on the shopping list
            we could use {items} so add that
            !include {items} on the grocery list
            the shopping list needs {items}
            """,
        ),
        "remove_from_list": (
            """
            !take {item} off the list
            !remove {item} from the shopping list
            we don't need {item} anymore
            !delete {item} from the list
            i already bought {item}
            !cross {item} off the list
            i got {item} so take it off
            no {item} on the list please
            we have enough {item} take it off the list
            !get {item} off the shopping list
            !drop {item} from the list
            forget {item} on the list
            """,
            """
            !strike {item} from the list
            i've got {item} at home so remove it
            !clear {item} from my shopping list
            """,
            """
            !scratch {item} from the shopping list
            {item} can come off the list
            !leave {item} off the shopping list
            somebody already picked up {item} so take it off
            """,
        ),
        "read_list": (
            """
            what's on the shopping list
            !read me the shopping list
            what do we need to buy
            what do i have to get from the store
            !read my shopping list
            is there anything on the shopping list
            what did i put on the list
            !go through the shopping list
            what's still on the list
            !tell me what we need from the supermarket
            what groceries do we need
            what was on the list again
            what else is on the list
            do we need anything from the store
            """,
            """
            what should i buy at the store
            !list the groceries
            what's missing at home
            """,
            """
            what am i shopping for
            !run through the grocery list
            which things are on the shopping list
            is the shopping list empty
            """,
        ),
        "convert_units": (
            """
            how much is {quantity} in {to_unit}
            what's {quantity} in {to_unit}
            how many {to_unit} are {quantity}
            !convert {quantity} to {to_unit}
            !convert {quantity} into {to_unit}
            {quantity} in {to_unit}
            how many {to_unit} is {quantity}
            !tell me how many {to_unit} {quantity} are
            i need {quantity} in {to_unit}
            what do {quantity} make in {to_unit}
            !turn {quantity} into {to_unit}
            how many {to_unit} do i get from {quantity}
            """,
            """
            !change {quantity} into {to_unit}
            {quantity} is how many {to_unit}
            what would {quantity} be in {to_unit}
            """,
            """
            !express {quantity} in {to_unit}
            !give me {quantity} in {to_unit}
            what does {quantity} come to in {to_unit}
            {quantity} would be how many {to_unit}
            """,
        ),
        "calculate": (
            """
            what's {left} {operation} {right}
            how much is {left} {operation} {right}
            what is {left} {operation} {right}
            !calculate {left} {operation} {right}
            {left} {operation} {right}
            what do i get for {left} {operation} {right}
            !tell me what {left} {operation} {right} is
            what's the sum of {left} and {right} | operation=add
            !add {left} and {right} | operation=add
            !multiply {left} by {right} | operation=multiply
            i need {left} {operation} {right}
            do you know what {left} {operation} {right} is
            !divide {left} by {divisor} | operation=divide
            how much do {left} and {right} make together | operation=add
            """,
            """
            !work out {left} {operation} {right}
            what does {left} {operation} {right} come to
            the sum of {left} and {right} | operation=add
            """,
            """
            !figure out {left} {operation} {right}
            what does {left} {operation} {right} equal
            {left} {operation} {right} is how much
            !give me the result of {left} {operation} {right}
            """,
        ),
    }
)
