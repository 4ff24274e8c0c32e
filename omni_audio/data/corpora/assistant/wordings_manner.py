"""Wordings that ask for another manner of answering, that hold for a whole talk, or that join two instructions."""

from typing import Final

from omni_audio.data.corpora.assistant.wordings import register

MANNER_WORDINGS: Final = register(
    {
        "say-text_only": (
            """
            text only please {question}
            {question} just write it don't say it
            {question} answer in text only
            don't speak just write {question}
            {question} show me in writing
            please be silent and write {question}
            """,
            """
            {question} no sound please just text
            answer without sound {question}
            """,
            """
            {question} put it on the screen and don't talk
            in writing only {question}
            {question} i can't listen so type it
            """,
        ),
        "say-slower": (
            """
            speak slowly {question}
            {question} say it slowly please
            {question} and talk slower
            a bit slower this time {question}
            slowly please {question}
            {question} you talk too fast so slow down
            """,
            """
            {question} take your time when you say it
            speak at a slow pace {question}
            """,
            """
            {question} nice and slow please
            could you talk more slowly {question}
            {question} i need you to speak slower
            """,
        ),
        "say-faster": (
            """
            speak fast {question}
            {question} say it quickly
            {question} and talk faster
            a bit faster this time {question}
            speed up please {question}
            {question} you talk too slow so hurry up
            """,
            """
            {question} i'm in a rush so talk fast
            speak at a quick pace {question}
            """,
            """
            {question} quick as you can say it
            could you talk more quickly {question}
            {question} i need you to speak faster
            """,
        ),
        "again-slower": (
            """
            can you say that slower
            say that again slowly
            that was too fast
            slower please
            once more but slower
            """,
            """
            could you repeat that at a slower pace
            i missed that say it slowly
            """,
            """
            one more time and slow down
            i didn't catch that a bit slower please
            could i hear that more slowly
            """,
        ),
        "again-faster": (
            """
            can you say that faster
            say that again quickly
            that was too slow
            faster please
            once more but faster
            """,
            """
            could you repeat that at a quicker pace
            that took too long say it fast
            """,
            """
            one more time and speed up
            i haven't got all day a bit faster please
            could i hear that more quickly
            """,
        ),
        "again-text_only": (
            """
            can you write that down for me
            give me that in text only
            now just as text
            once more in writing only
            don't say it write it
            """,
            """
            could i have that in writing without sound
            same again as text only
            """,
            """
            one more time just on the screen
            i'd rather read that
            could you type that instead of saying it
            """,
        ),
        "again-one_word": (
            """
            now in one word
            just the one word please
            say that in one word
            can you say that in a single word
            shorter just one word
            """,
            """
            cut that down to one word
            the same with a single word
            """,
            """
            one word would do
            could you boil that down to one word
            one more time but only one word
            """,
        ),
        "say-done": (
            """
            {request} and just say {ack}
            {request} and only say {ack}
            {request} then say {ack} and nothing else
            just say {ack} after you {request}
            {request} don't talk just say {ack}
            """,
            """
            {request} and answer only with {ack}
            simply say {ack} and {request}
            """,
            """
            {request} and all you say is {ack}
            {request} a short {ack} is enough
            when you {request} reply with {ack} only
            """,
        ),
        "pair-one_word-slower": (
            """
            in one word and slowly please {question}
            {question} one word and say it slowly
            slowly and in one word {question}
            """,
            "{question} a single word at a slow pace",
            """
            {question} one slow word please
            say one word and say it slow {question}
            """,
        ),
        "pair-at_most_words-text_only": (
            """
            {question} write it in at most {num_words} words don't say it
            text only and at most {num_words} words {question}
            {question} in writing only with no more than {num_words} words
            """,
            "{question} type at most {num_words} words and no sound",
            """
            {question} on the screen only and {num_words} words at most
            silently in {num_words} words or less {question}
            """,
        ),
    }
)
SYSTEM_WORDINGS: Final = register(
    {
        "system-one_word": (
            "answer in one word\nuse one word for every answer\nalways answer with a single word",
            "one word answers only",
            "keep every answer to one word\nnever say more than one word",
        ),
        "system-text_only": (
            "answer in text only\ndon't speak just write your answers\nthe user reads so write only",
            "write your answers and make no sound",
            "be silent and write\nno sound only text",
        ),
        "system-slower": (
            "speak slowly\ntalk slower than usual\nthe user wants slow speech",
            "take your time when you speak",
            "keep a slow pace of speech\nsay everything slowly",
        ),
        "system-faster": (
            "speak fast\ntalk faster than usual\nthe user wants fast speech",
            "be quick when you speak",
            "keep a quick pace of speech\nsay everything fast",
        ),
        "system-begin_with": (
            "begin every answer with {opener}\nstart your answers with the word {opener}\nopen with {opener}",
            "let {opener} be the first word of each answer",
            "your first word is always {opener}\nlead every answer with {opener}",
        ),
        "system-end_with": (
            "end every answer with {closer}\nfinish your answers with {closer}\nclose with {closer}",
            "let {closer} be the end of each answer",
            "your last words are always {closer}\nwrap up every answer with {closer}",
        ),
    }
)
"""Instructions that stand in the system text and hold for the whole talk."""
