"""Facts from a closed list, and what is asked of them. The facts are shared by the splits, their wordings are not."""

from typing import Final, NamedTuple

from omni_audio.data.corpora.assistant.wordings import Blocks, Wordings, register


class FactGroup(NamedTuple):
    """Facts of one form.

    Attributes:
        name: of the group.
        wordings: questions with the slot `x`.
        facts: short answers by `x`.
        sentence: the whole answer, with `x` and `a`.
    """

    name: str
    wordings: Wordings
    facts: dict[str, str]
    sentence: str


def _pairs(text: str) -> dict[str, str]:
    pairs = (pair.split(":") for pair in " ".join(text.split()).split(","))
    return {thing.strip(): answer.strip() for thing, answer in pairs}


_GROUPS: Final[dict[str, tuple[Blocks, str, str]]] = {
    "capital": (
        (
            """what's the capital of {x}
            what is the capital city of {x}
            which city is the capital of {x}
            do you know the capital of {x}
            !tell me the capital of {x}
            what's {x}'s capital
            i forgot the capital of {x} what was it""",
            "!name the capital of {x}\nwhat capital does {x} have",
            "{x} has which capital\n!give me the capital of {x}\nwhich city do they govern {x} from",
        ),
        """france: paris, germany: berlin, italy: rome, spain: madrid, portugal: lisbon, ireland: dublin,
            austria: vienna, norway: oslo, sweden: stockholm, denmark: copenhagen, finland: helsinki, poland:
            warsaw, greece: athens, egypt: cairo, japan: tokyo, china: beijing, russia: moscow, canada: ottawa,
            cuba: havana, peru: lima, kenya: nairobi, hungary: budapest, turkey: ankara, belgium: brussels,
            chile: santiago, thailand: bangkok, iran: tehran, iraq: baghdad, australia: canberra, iceland:
            reykjavik, scotland: edinburgh, wales: cardiff, vietnam: hanoi, nepal: kathmandu""",
        "the capital of {x} is {a}.",
    ),
    "opposite": (
        (
            """what's the opposite of {x}
            what is the opposite of {x}
            which word means the opposite of {x}
            !tell me the opposite of {x}
            do you know the opposite of {x}
            {x} is the opposite of what""",
            "what would be the opposite of {x}\n!give me a word that's the opposite of {x}",
            "if it isn't {x} what is it\n!name the opposite of {x}\n{x} has what opposite",
        ),
        """hot: cold, big: small, old: young, fast: slow, up: down, left: right, black: white, early: late,
            loud: quiet, happy: sad, full: empty, open: closed, rich: poor, wet: dry, strong: weak, hard: soft,
            high: low, near: far, day: night, light: dark, thick: thin, clean: dirty, true: false, front: back,
            inside: outside, always: never, buy: sell""",
        "the opposite of {x} is {a}.",
    ),
    "baby": (
        (
            """what's a baby {x} called
            what do you call a baby {x}
            what is a young {x} called
            what's the name for a baby {x}
            !tell me what a baby {x} is called
            how do you call a young {x}""",
            "a baby {x} is called what\nwhat do people call a young {x}",
            "what's the word for a baby {x}\na young {x} has what name\n!name the young of a {x}",
        ),
        """dog: puppy, cat: kitten, cow: calf, horse: foal, sheep: lamb, goat: kid, duck: duckling, bear: cub,
            deer: fawn, kangaroo: joey, frog: tadpole, goose: gosling, pig: piglet, lion: cub, swan: cygnet""",
        "a baby {x} is called a {a}.",
    ),
    "legs": (
        (
            """how many legs does a {x} have
            how many legs has a {x} got
            what number of legs does a {x} have
            !tell me how many legs a {x} has
            do you know how many legs a {x} has
            a {x} has how many legs""",
            "on how many legs does a {x} walk\nhow many legs are there on a {x}",
            "what's the number of legs of a {x}\n!count the legs of a {x}\nhow many legs would a {x} have",
        ),
        """spider: eight, cat: four, dog: four, bird: two, bee: six, fly: six, horse: four, chicken: two,
            ladybug: six, snake: zero, person: two, cow: four, duck: two, lizard: four, fish: zero, beetle: six,
            table: four""",
        "a {x} has {a} legs.",
    ),
    "after": (
        (
            """what comes after {x}
            what's next after {x}
            which one comes after {x}
            !tell me what comes after {x}
            what follows {x}
            {x} and then comes what""",
            "what would come after {x}\nwhat's the one after {x}",
            "what do we get after {x}\n!name what follows {x}\nonce {x} is over what comes",
        ),
        """monday: tuesday, tuesday: wednesday, wednesday: thursday, thursday: friday, friday: saturday,
            saturday: sunday, sunday: monday, january: february, february: march, march: april, april: may, may:
            june, june: july, july: august, august: september, september: october, october: november, november:
            december, december: january, spring: summer, summer: autumn, autumn: winter, winter: spring,
            breakfast: lunch""",
        "after {x} comes {a}.",
    ),
    "number_after": (
        (
            """which number comes after {x}
            what number comes after {x}
            what's the number after {x}
            !tell me the number after {x}
            what's one more than {x}
            {x} and one more is what""",
            "which number follows {x}\nwhat do i get if i add one to {x}",
            "what's the next number after {x}\n!name the number that follows {x}\ncount one up from {x}",
        ),
        """three: four, seven: eight, nine: ten, eleven: twelve, twelve: thirteen, fifteen: sixteen, nineteen:
            twenty, fourteen: fifteen, sixteen: seventeen, five: six, ten: eleven, eighteen: nineteen, one: two,
            four: five""",
        "after {x} comes {a}.",
    ),
    "color": (
        (
            """what color is {x}
            what's the color of {x}
            which color does {x} have
            !tell me the color of {x}
            do you know what color {x} is
            {x} is what color""",
            "what color would you say {x} is\nwhich color is {x}",
            "what color do you see on {x}\n!name the color of {x}\n{x} comes in what color",
        ),
        """snow: white, grass: green, blood: red, coal: black, the sky: blue, a lemon: yellow, a carrot:
            orange, milk: white, a banana: yellow, chocolate: brown, a tomato: red, a flamingo: pink, the sea:
            blue, an elephant: gray, a fire truck: red, a pea: green, salt: white, an eggplant: purple""",
        "{x} is {a}.",
    ),
    "language": (
        (
            """what language do they speak in {x}
            which language do people speak in {x}
            what do they speak in {x}
            !tell me what language they speak in {x}
            what's the language of {x}
            do you know what people speak in {x}""",
            "which language would i hear in {x}\nwhat language is spoken in {x}",
            "what should i learn to talk to people in {x}\n!name the language of {x}\npeople in {x} speak what",
        ),
        """france: french, germany: german, italy: italian, spain: spanish, mexico: spanish, brazil:
            portuguese, japan: japanese, china: chinese, russia: russian, poland: polish, greece: greek, turkey:
            turkish, sweden: swedish, norway: norwegian, denmark: danish, england: english, hungary: hungarian,
            korea: korean, thailand: thai, argentina: spanish""",
        "in {x} people speak {a}.",
    ),
    "made_of": (
        (
            """what is {x} made of
            what's {x} made of
            what do you make {x} from
            what do you need to make {x}
            !tell me what {x} is made of
            {x} is made of what""",
            "what does {x} consist of\nwhat goes into {x}",
            "what's inside {x}\n!name what {x} is made from\nout of what do they make {x}",
        ),
        """bread: flour, cheese: milk, wine: grapes, glass: sand, paper: wood, butter: milk, ice: water,
            chocolate: cocoa, a window: glass, steam: water, tofu: soybeans, a coin: metal, ketchup: tomatoes,
            an omelette: eggs""",
        "{x} is made of {a}.",
    ),
    "plural": (
        (
            """what's the plural of {x}
            what is the plural of {x}
            how do you say more than one {x}
            one {x} and two what
            !tell me the plural of {x}
            if there's more than one {x} what's it called""",
            "what's {x} in the plural\ntwo of a {x} are called what",
            "how would i say several of {x}\n!give me the plural of {x}\nmany of {x} would be what",
        ),
        """mouse: mice, child: children, foot: feet, tooth: teeth, goose: geese, man: men, woman: women, leaf:
            leaves, knife: knives, sheep: sheep, wolf: wolves, person: people, fish: fish, box: boxes, city:
            cities, baby: babies""",
        "the plural of {x} is {a}.",
    ),
    "past": (
        (
            """what's the past tense of {x}
            what is the past of {x}
            today i {x} and yesterday i what
            !tell me the past tense of {x}
            how do you say {x} in the past
            what's {x} in the past tense""",
            "what did {x} turn into in the past tense\nwhat's the past form of {x}",
            "yesterday it was what if today it's {x}\n!give me the past tense of {x}\n{x} becomes what in the past",
        ),
        """go: went, eat: ate, run: ran, see: saw, take: took, give: gave, write: wrote, sing: sang, swim:
            swam, think: thought, buy: bought, catch: caught, drink: drank, drive: drove, fall: fell, fly: flew,
            grow: grew, know: knew, sleep: slept, speak: spoke, teach: taught, win: won""",
        "the past tense of {x} is {a}.",
    ),
    "count": (
        (
            """how many {x}
            do you know how many {x}
            !tell me how many {x}
            i always forget how many {x}
            can you tell me how many {x}
            any idea how many {x}""",
            "!remind me how many {x}\ni wonder how many {x}",
            "would you know how many {x}\n!explain how many {x}\ncould you say how many {x}",
        ),
        """minutes are in an hour: sixty, hours are in a day: twenty four, days are in a week: seven, months
            are in a year: twelve, seconds are in a minute: sixty, weeks are in a year: fifty two, sides does a
            triangle have: three, sides does a square have: four, letters are in the alphabet: twenty six,
            planets are in the solar system: eight, cents are in a dollar: one hundred, eggs are in a dozen:
            twelve, continents are there: seven, days does june have: thirty, days does july have: thirty one,
            strings does a violin have: four, wheels does a bike have: two, years are in a century: one hundred,
            players are on a soccer team: eleven, keys does a piano have: eighty eight, colors are in a rainbow:
            seven, fingers are on one hand: five, meters are in a kilometer: one thousand, states are in
            america: fifty""",
        "it's {a}.",
    ),
}
_READ = register({f"fact-{name}": blocks for name, (blocks, _, _) in _GROUPS.items()})
FACT_GROUPS: Final = tuple(
    FactGroup(name, _READ[f"fact-{name}"], _pairs(facts), sentence)
    for name, (_, facts, sentence) in _GROUPS.items()
)

TRUE_OR_FALSE: Final = {
    "yes": """is ice cold, is the sun hot, do fish swim, can birds fly, is snow white, do cats have tails, is a
            whale big, is water wet, do dogs bark, is sugar sweet, is fire hot, do bees make honey, is gold a
            metal, does a week have seven days, is london in england, do cows give milk, is a rose a flower, can
            you eat bread, is winter colder than summer, is ten more than nine, does a square have four sides,
            is a mouse smaller than a horse, do plants need water, is paris in france, is the earth round, do
            spiders have eight legs, is a tomato red, does the sun rise in the east""",
    "no": """is the sun cold, can pigs fly, do fish walk, is snow black, is an ant bigger than a dog, is fire
            cold, do cows lay eggs, is salt sweet, does a week have eight days, is the moon made of cheese, is
            rome in germany, do cats bark, is five more than six, does a triangle have four sides, is a feather
            heavy, can stones swim, is tokyo in africa, do snakes have legs, is july in winter up north, is coal
            white, does a bike have three wheels, is grass purple, do people have three eyes, is a minute longer
            than an hour, is milk black, can a car fly""",
}
STATEMENTS: Final = tuple(
    (" ".join(question.split()), answer)
    for answer, text in TRUE_OR_FALSE.items()
    for question in text.split(",")
)
"""Yes-no questions of the closed list with their answers."""

MEMBERS: Final[dict[str, tuple[str, ...]]] = {
    category: tuple(text.split())
    for category, text in {
        "colors": "red blue green yellow orange purple white black brown pink gray",
        "fruits": "apple banana orange pear grape cherry peach plum mango lemon kiwi",
        "animals": "dog cat horse cow sheep lion tiger bear rabbit mouse elephant",
        "planets": "mercury venus earth mars jupiter saturn uranus neptune",
        "weekdays": "monday tuesday wednesday thursday friday saturday sunday",
        "months": "january february march april may june july august september october november december",
        "countries": "france germany italy spain japan china canada brazil egypt mexico india",
        "instruments": "piano guitar violin drums flute trumpet cello harp clarinet",
        "sports": "soccer tennis golf hockey swimming boxing rugby cricket running",
        "vegetables": "carrot potato onion pea bean cabbage spinach pepper leek",
        "shapes": "circle square triangle rectangle star oval cube cone",
        "birds": "eagle owl duck robin swan crow parrot goose sparrow",
        "drinks": "water milk tea coffee juice lemonade cocoa",
        "cities": "paris london rome berlin tokyo madrid chicago sydney",
    }.items()
}
"""Things of one word by category, as answers list them; others count too few to be listed."""
