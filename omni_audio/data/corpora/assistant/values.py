"""Open-class slot values, disjoint between the splits: names, cities, songs, things to buy, tasks, words.

Each block lists values by split, comma-separated. Small letters, apostrophes and blanks only.
"""

from typing import Final

from omni_audio.data.corpora.commands_slots import CorpusError
from omni_audio.data.corpora.commands_templates import SPLITS

_VALUES: Final[dict[str, dict[str, str]]] = {
    "name": {
        "train": """anna, ben, clara, david, emma, frank, grace, henry, isla, jack, karen, liam, maria, nora, oscar,
            paul, quinn, rachel, sam, tina, victor, wendy, yusuf, zoe, aisha, boris, carmen, diego, elena,
            felix, gina, hannah, ivan, julia, kevin, laura, marcus, nadia, omar, peter, rosa, simon, theresa,
            ursula, vera, walter, yvonne, amir, bella, chen, dora, eric, fatima, george, holly, ines, james,
            kira, leo, mina, nathan, olga, pablo, ruth, stefan, tariq, uma, vince, wesley, xavier, yara, zack,
            alice, brian, chloe, dylan, esther, fiona, gavin, helen, ian, jenny, kurt, lucy, martin, naomi,
            otto, penny, ralph, sophie, tom, violet, wanda, adam, beth, colin, daisy, edward, flora, graham,
            hugo, irene, joel, kate, lewis, molly, neil, olive, patrick, rebecca, sean, tess, my mom, my dad, my
            sister, my brother, grandma, aunt mary, uncle joe, doctor lee, mister brown, the dentist, the office""",
        "dev": """abigail, bruno, celia, dominic, eva, farid, gloria, howard, ingrid, jonas, katya, linus, miriam,
            nicholas, petra, rowan, my boss, aunt susan""",
        "test": """agatha, basil, camille, duncan, edith, fabian, gemma, hector, imogen, jasper, kenji, lorenzo,
            matilda, noel, ophelia, priya, rupert, selma, tobias, veronica, winston, yasmin, my cousin, uncle
            bob, doctor meyer, the plumber""",
    },
    "city": {
        "train": """paris, london, berlin, rome, madrid, dublin, boston, chicago, denver, tokyo, sydney, oslo, vienna,
            cairo, lisbon, toronto, new york, los angeles, seattle, austin, dallas, houston, miami, atlanta,
            phoenix, san diego, portland, detroit, montreal, vancouver, mexico city, havana, lima, bogota,
            buenos aires, santiago, athens, istanbul, moscow, warsaw, prague, budapest, zurich, geneva, milan,
            venice, naples, barcelona, seville, porto, amsterdam, brussels, hamburg, munich, stockholm,
            copenhagen, glasgow, leeds, bristol, york, delhi, mumbai, bangkok, hanoi, seoul, beijing, shanghai,
            hong kong, manila, nairobi, lagos, cape town, melbourne, auckland, honolulu, dubai""",
        "dev": "helsinki, osaka, cleveland, florence, edinburgh, calgary, jakarta, marseille, perth, tunis",
        "test": """reykjavik, kyoto, memphis, turin, cardiff, ottawa, singapore, lyon, brisbane, nashville, krakow,
            valencia, cologne, belfast, casablanca, quito, tampa, rotterdam""",
    },
    "song": {
        "train": """amazing grace, greensleeves, scarborough fair, auld lang syne, danny boy, moonlight sonata, the blue
            danube, clair de lune, ode to joy, swan lake, house of the rising sun, shenandoah, oh susanna,
            silent night, jingle bells, deck the halls, the entertainer, maple leaf rag, canon in d, fur elise,
            the four seasons, waltz of the flowers, home on the range, red river valley, wild mountain thyme,
            loch lomond, molly malone, drunken sailor, the water is wide, down by the riverside, golden morning,
            summer by the lake, run to me, city lights, one more mile, blue paper boats, dancing alone, winter
            road, silver rain, the long way home, honey and smoke, back to monday, paper moon, falling slow,
            river of stars, left on the table, seven bridges, stay till dawn, two left shoes, higher ground""",
        "dev": """the nutcracker, wayfaring stranger, morning mood, whiskey in the jar, open windows, glass house,
            tell me twice, northern train""",
        "test": """the flight of the bumblebee, simple gifts, in the hall of the mountain king, frere jacques, yankee
            doodle, gymnopedie, broken compass, midnight market, dust and feathers, call me captain, green
            umbrella, hello november""",
    },
    "artist": {
        "train": """the paper kites club, johnny and the lanterns, mozart, beethoven, chopin, bach, vivaldi, scott
            joplin, the night porters, lily and the wolves, the brass monkeys band, old harbor trio, debussy,
            tchaikovsky, strauss, the quiet cousins, sunday drivers, marble arches, the velvet owls, delta mary,
            the tin roofs, pale horses, the garden choir, nina rivers, brother stone""",
        "dev": "schubert, the glass bottles, coast road, wilma and the bears, haydn",
        "test": "brahms, the hollow hills, rosie carter, grieg, the post office band, three blind cats, verdi",
    },
    "item": {
        "train": """milk, eggs, bread, butter, cheese, apples, bananas, oranges, rice, pasta, tomatoes, onions,
            potatoes, carrots, coffee, tea, sugar, flour, salt, olive oil, chicken, fish, yogurt, orange juice,
            cereal, honey, toilet paper, soap, shampoo, toothpaste, garlic, lemons, spinach, lettuce, cucumbers,
            mushrooms, beans, lentils, peanut butter, jam, chocolate, cookies, crackers, batteries, light bulbs,
            dog food, cat litter, paper towels, dish soap, ham, sausages, frozen peas, ice cream, sparkling
            water, grapes, pears, avocados, peppers""",
        "dev": "oatmeal, strawberries, vinegar, candles, broccoli, tofu, napkins, ginger",
        "test": """blueberries, mustard, cinnamon, maple syrup, trash bags, zucchini, sour cream, almonds, cabbage,
            baking powder, mangoes, tin foil""",
    },
    "task": {
        "train": """call the bank, water the plants, take out the trash, feed the cat, pay the rent, pick up the kids,
            buy a birthday present, take my medicine, walk the dog, send the report, book a table, check the
            oven, do the laundry, return the library books, charge my phone, lock the back door, renew my
            passport, call the vet, buy stamps, clean the bathroom, change the sheets, defrost the chicken,
            write to the landlord, order more coffee, move the car, water the tomatoes, stretch my legs, drink
            some water, turn off the heater, wrap the presents, practice the piano, finish my homework, back up
            the laptop, mail the letter, empty the dishwasher, iron a shirt, pick up the dry cleaning, top up my
            bus card, check the tires, say happy birthday, get some cash, cut the grass, put the bins out, take
            a break, study for the exam, bring an umbrella, sign the contract, bake the cake, reply to the
            school, prepare the slides""",
        "dev": """fill up the tank, sweep the porch, vote, pack my lunch, clean the fish tank, cancel the gym, buy new
            socks, ring the doctor""",
        "test": """rotate the mattress, descale the kettle, turn in the timesheet, prune the roses, collect the parcel,
            brush the horse, thaw the soup, register for the race, refill the bird feeder, sharpen the knives,
            unplug the iron, pick up the glasses""",
    },
    "message": {
        "train": """i'm running late, i'll be there soon, happy birthday, see you tonight, dinner's ready, i'm on my
            way, thanks for everything, can you call me back, the meeting's moved, i got the tickets, let's meet
            at the station, don't forget the keys, i'm at the door, good luck today, i miss you, we're out of
            milk, the train's delayed, i'll bring dessert, are you coming tonight, have you eaten yet, call me
            when you can, i'm stuck in traffic, i left the key under the mat, congratulations, i'm home safe,
            could you pick up some bread, what time are you free, the baby's asleep, that sounds great, sorry i
            missed your call, i can't make it tonight, we won the game, save me a seat, the flight landed, i
            found your jacket, let me know when you're home, all done here, please buy some eggs, the doctor
            said it's fine, i'm leaving now, movie starts at eight, it's raining here, i passed the test, you
            left your phone here, sleep well""",
        "dev": """lunch is on me, i need ten more minutes, the cake was lovely, where did you park, bring warm
            clothes, i'm in the lobby, did you lock up""",
        "test": """the package has arrived, i'm taking the next bus, your mother says hello, practice is cancelled,
            we're sitting in the back row, the soup needs salt, i forgot my wallet, don't wait up for me, see
            you at the airport, let's try the new bakery, the kids are fine""",
    },
    "event": {
        "train": """dentist appointment, team meeting, lunch with anna, yoga class, piano lesson, haircut, parents'
            evening, job interview, book club, dinner with the neighbors, soccer practice, doctor's appointment,
            birthday party, car inspection, budget review, coffee with sam, swimming lesson, choir practice,
            phone call with the bank, date night, school play, staff meeting, eye exam, house viewing, project
            kickoff, tennis match, movie night, spanish class, vet visit, planning session, band rehearsal,
            family picnic, oil change, board meeting, study group, pottery class, game night, flight to denver,
            wedding rehearsal, farewell party""",
        "dev": """physical therapy, chess tournament, brunch with petra, tax appointment, guitar lesson, budget call""",
        "test": """blood test, sales training, barbecue with the cousins, ballet recital, garden club, passport
            appointment, dress fitting, quarterly review, first aid course, hockey practice""",
    },
    "place": {
        "train": """the airport, the train station, work, home, the nearest gas station, the city library, the post
            office, the hospital, the beach, the zoo, the art museum, the shopping mall, the town hall, the
            stadium, the pharmacy, the nearest supermarket, the swimming pool, the old bridge, the university,
            the bus station, the cinema, the gym, central park, the harbor, the opera house, main street, oak
            avenue, the farmers' market, the hardware store, the dentist's office, grandma's house, the ice
            rink, the botanical garden, the coffee shop on third street, the parking garage, the police station,
            king's square, the concert hall, the kindergarten, the castle""",
        "dev": """the science museum, the ferry terminal, maple street, the bakery on elm road, the tennis club, the
            court house""",
        "test": """the lighthouse, the aquarium, the flea market, willow lane, the bike shop, the planetarium, the
            recycling center, the old mill, the garden center, the music school""",
    },
    "label": {
        "train": """pasta, tea, egg, pizza, laundry, bread, rice, coffee, cake, workout, nap, homework, chicken, soup,
            oven, dishwasher, meditation, reading, potatoes, cookies, roast, plank, break, piano practice""",
        "dev": "lasagna, stretching, dough, steak",
        "test": "noodle, parking, face mask, brownie, yoga, quiche",
    },
    "purpose": {
        "train": """work, school, the gym, my flight, the kids, church, the bakery shift, my run, the early meeting,
            practice, breakfast, my medicine, the bus, class, the exam""",
        "dev": "the market, my train, swimming",
        "test": "the marathon, the fishing trip, my interview, the night shift",
    },
    "word": {
        "train": """apple, window, garden, bicycle, mountain, bottle, yellow, summer, kitchen, rabbit, pencil, orange,
            river, island, candle, basket, dragon, planet, silver, monkey, travel, market, butter, jacket,
            doctor, winter, tiger, castle, forest, guitar, hammer, insect, jungle, ladder, magnet, needle,
            oyster, pepper, pillow, pocket, purple, rocket, saddle, school, shadow, spider, spring, square,
            stream, street, string, sugar, table, tomato, tunnel, turtle, valley, violin, wallet, weather,
            whisper, wizard, yogurt, zebra, anchor, balloon, biscuit, blanket, button, camera, carpet, chicken,
            circle, cloud, coffee, corner, cotton, dinner, elbow, engine, feather, finger, flower, friend,
            giraffe, glove, grape, honey, house, jelly, kettle, kitten, lemon, letter, lizard, lunch, mirror,
            morning, muffin, napkin, ocean, paper, parrot, peanut, people, piano, pirate, pizza, potato, puppy,
            puzzle, queen, rhythm, ribbon, robot, sandwich, scissors, secret, sister, skirt, smile, snake,
            station, stone, surprise, thunder, ticket, towel, train, umbrella, vegetable, village, wagon, water,
            wheel, yesterday, necessary, because, beautiful, february, different, tongue, knife, island,
            thought, through, neighbor, science, calendar, separate""",
        "dev": """velvet, cactus, harbor, bubble, lantern, walnut, engineer, pyramid, cousin, guess, height, mitten""",
        "test": """chimney, otter, compass, saucer, daughter, meadow, blossom, knuckle, photograph, squirrel, trumpet,
            glacier, pumpkin, restaurant, language, wrist, tulip, cherry, believe, hamster""",
    },
    "phrase": {
        "train": """good morning, hello there, red balloon, never mind, once again, toy boat, happy days, open sesame,
            slow down, warm bread, blue moon, nice try, keep going, well done, big green frog, quick brown fox,
            soft pillow, sweet dreams, no problem, one more time, fresh air, lucky number""",
        "dev": "thank you kindly, sunny side up, cold feet, bright star",
        "test": "rubber duck, after you, silver spoon, strong coffee, deep blue sea, good luck",
    },
}


def _read(kind: str, by_split: dict[str, str]) -> dict[str, tuple[str, ...]]:
    read = {
        split: tuple(dict.fromkeys(" ".join(value.split()) for value in by_split[split].split(",")))
        for split in SPLITS
    }
    for split in ("dev", "test"):
        shared = set(read[split]) & {value for other in SPLITS if other != split for value in read[other]}
        if shared:
            raise CorpusError(f"values of {kind}", sorted(shared), "each in one split", "drop one of them")
    return read


OPEN_VALUES: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    kind: _read(kind, by_split) for kind, by_split in _VALUES.items()
}
"""Kind of value -> split -> values."""


def first_names(split: str) -> tuple[str, ...]:
    """Names of one word, as people spell them out."""
    return tuple(name for name in OPEN_VALUES["name"][split] if " " not in name)
