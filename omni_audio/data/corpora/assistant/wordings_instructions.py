"""Wordings of instructions that code can check; `question` is a whole question of the facts."""

from typing import Final

from omni_audio.data.corpora.assistant.wordings import register

INSTRUCTION_WORDINGS: Final = register(
    {
        "say-one_word": (
            """
            in one word {question}
            {question} in a single word
            {question} answer with one word
            one word only {question}
            just one word please {question}
            {question} and use only one word
            with one word {question}
            {question} one word's enough
            """,
            """
            using a single word {question}
            {question} but just the one word
            """,
            """
            {question} give me one word and nothing else
            keep it to one word {question}
            {question} no more than one word
            """,
        ),
        "say-at_most_words": (
            """
            in at most {num_words} words {question}
            {question} use at most {num_words} words
            {question} in {num_words} words or less
            {question} no more than {num_words} words please
            keep it under {over} words {question}
            answer in {num_words} words at most {question}
            {question} with a maximum of {num_words} words
            """,
            """
            {question} don't use more than {num_words} words
            with {num_words} words or fewer {question}
            """,
            """
            {question} and spend at most {num_words} words on it
            {num_words} words is the limit {question}
            {question} you've got {num_words} words at most
            """,
        ),
        "say-exactly_words": (
            """
            !say something in exactly {num_words} words
            !say exactly {num_words} words
            !greet me in exactly {num_words} words
            !talk to me in exactly {num_words} words
            !answer with exactly {num_words} words
            i want to hear exactly {num_words} words
            """,
            """
            !make a sentence of exactly {num_words} words
            exactly {num_words} words please
            """,
            """
            !say hello with exactly {num_words} words
            !use exactly {num_words} words to say something
            not more and not less than {num_words} words please
            """,
        ),
        "say-spell": (
            """
            !spell {word}
            how do you spell {word}
            !spell the word {word}
            can you spell {word} letter by letter
            how is {word} spelled
            i don't know how to spell {word}
            !tell me how to spell {word}
            what's the spelling of {word}
            """,
            """
            how would you spell {word}
            !give me the letters of {word}
            """,
            """
            !say the letters in {word} one by one
            how's {word} written letter by letter
            !spell out {word}
            """,
        ),
        "say-spell_name": (
            """
            !spell the name {first_name}
            how do you spell the name {first_name}
            how's {first_name} spelled
            how do i write {first_name} letter by letter
            !spell {first_name} for my form
            """,
            """
            how would you spell the name {first_name}
            !give me the letters of the name {first_name}
            """,
            """
            !spell out the name {first_name}
            letter by letter how's {first_name} written
            !tell me the letters in {first_name}
            """,
        ),
        "say-spell_backwards": (
            """
            !spell {word} backwards
            how do you spell {word} backwards
            !spell the word {word} from back to front
            can you spell {word} the other way round
            what's {word} spelled backwards
            """,
            """
            !spell {word} in reverse
            how would you spell {word} in reverse
            """,
            """
            !say the letters of {word} from last to first
            !spell {word} starting at the end
            starting from the last letter how's {word} spelled
            """,
        ),
        "say-repeat": (
            """
            !say {phrase} {times}
            !repeat {phrase} {times}
            !say the words {phrase} {times}
            can i hear {phrase} {times}
            {times} in a row say {phrase}
            i want you to say {phrase} {times}
            !say {phrase} and say it {times} in all
            """,
            """
            !speak the words {phrase} {times}
            !go {phrase} {times} in a row
            """,
            """
            !let me hear {phrase} {times}
            {times} please {phrase}
            !pronounce {phrase} {times} for me
            """,
        ),
        "say-echo": (
            """
            !repeat after me {message}
            !say exactly this {message}
            !say after me {message}
            !repeat what i say {message}
            say the following {message}
            these are your words {message}
            """,
            """
            !copy me {message}
            !echo this {message}
            """,
            """
            !speak this sentence {message}
            word for word please {message}
            !parrot what i say {message}
            """,
        ),
        "say-count": (
            """
            !count to {stop}
            !count from {start} to {stop}
            !count up to {stop}
            can you count from {start} to {stop}
            !count from one to {stop}
            !say the numbers from {start} to {stop}
            !count down from {stop}
            !count backwards from {stop} to {start}
            !count to {stop} by twos
            """,
            """
            !list the numbers from {start} up to {stop}
            !go through the numbers to {stop}
            """,
            """
            !name all the numbers from {start} through {stop}
            !start at {start} and count until {stop}
            how do you count from {start} up to {stop}
            """,
        ),
        "say-yes_or_no": (
            """
            yes or no {statement}
            {statement} yes or no
            answer with yes or no {statement}
            just say yes or no {statement}
            {statement} just yes or no please
            only yes or no {statement}
            {statement} say only yes or no
            a simple yes or no {statement}
            """,
            """
            {statement} is that a yes or a no
            tell me yes or no {statement}
            """,
            """
            {statement} nothing but yes or no please
            is it yes or no {statement}
            i only want a yes or a no {statement}
            """,
        ),
        "say-begin_with": (
            """
            begin your answer with {opener} {question}
            start with the word {opener} {question}
            {question} and start your answer with {opener}
            {question} begin with {opener}
            your answer should begin with {opener} {question}
            open with {opener} and tell me {question}
            """,
            """
            {question} make {opener} your first word
            say {opener} first and then answer {question}
            """,
            """
            {question} the first thing you say should be {opener}
            lead with {opener} {question}
            {question} put {opener} in front
            """,
        ),
        "say-end_with": (
            """
            end your answer with {closer} {question}
            {question} and end with {closer}
            {question} finish with {closer}
            your answer should end with {closer} {question}
            close with {closer} {question}
            """,
            """
            {question} let {closer} be the last thing you say
            say {closer} at the end {question}
            """,
            """
            {question} wrap up with {closer}
            the last thing you say should be {closer} {question}
            {question} put {closer} at the very end
            """,
        ),
        "say-without_word": (
            """
            without saying {banned} {question}
            {question} but don't say {banned}
            {question} and don't use the word {banned}
            don't say {banned} in your answer {question}
            avoid the word {banned} {question}
            """,
            """
            {question} leave out the word {banned}
            you mustn't say {banned} {question}
            """,
            """
            {question} only don't use {banned}
            the word {banned} is forbidden {question}
            {question} and never say {banned}
            """,
        ),
        "say-digits": (
            """
            what's {left} {operation} {right} answer in digits
            in digits please {left} {operation} {right}
            {left} {operation} {right} write it in digits
            how much is {left} {operation} {right} as a number in digits
            !write {left} {operation} {right} in digits
            i need the digits of {left} {operation} {right}
            """,
            """
            use digits {left} {operation} {right}
            what's {left} {operation} {right} written with digits
            """,
            """
            {left} {operation} {right} and show me the digits
            digits only please {left} {operation} {right}
            !type {left} {operation} {right} as digits
            """,
        ),
        "say-list_of": (
            """
            !name {num} {category}
            !tell me {num} {category}
            !give me {num} {category}
            !list {num} {category}
            what are {num} {category}
            can you think of {num} {category}
            i need {num} {category}
            do you know {num} {category}
            """,
            """
            !come up with {num} {category}
            which {num} {category} can you name
            """,
            """
            !say the names of {num} {category}
            {num} {category} please
            !think of {num} different {category}
            """,
        ),
        "say-in_order": (
            """
            !put {three_words} in alphabetical order
            !sort {three_words} by the alphabet
            !say {three_words} in alphabetical order
            what's the alphabetical order of {three_words}
            !order {three_words} from a to z
            """,
            """
            !arrange {three_words} alphabetically
            which way would a dictionary list {three_words}
            """,
            """
            !line up {three_words} in the order of the alphabet
            how do {three_words} come in a dictionary
            !sort these alphabetically {three_words}
            """,
        ),
        "say-first_letter": (
            """
            what letter does {word} start with
            what's the first letter of {word}
            which letter does {word} begin with
            !tell me the first letter of {word}
            {word} starts with which letter
            """,
            """
            !name the first letter in {word}
            with which letter do you start {word}
            """,
            """
            which letter comes first in {word}
            !give me just the first letter of {word}
            what does {word} begin with
            """,
        ),
        "say-num_letters": (
            """
            how many letters are in {word}
            how many letters does {word} have
            !count the letters in {word}
            what's the number of letters in {word}
            !tell me how many letters {word} has
            """,
            """
            {word} has how many letters
            how many letters do i need for {word}
            """,
            """
            how long is the word {word} in letters
            of how many letters is {word} made
            !say how many letters there are in {word}
            """,
        ),
    }
)
