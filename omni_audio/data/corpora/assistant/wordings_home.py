"""Wordings of tools for lights, heating, music and volume."""

from omni_audio.data.corpora.assistant.wordings import register

HOME_WORDINGS = register(
    {
        "set_light": (
            """
            !turn {state} the {room} light
            !turn the {room} light {state}
            !switch {state} the lights in the {room}
            !switch the {room} light {state}
            {room} light {state}
            lights {state} in the {room}
            it's too dark in the {room} | state=on
            i can't see a thing in the {room} | state=on
            we don't need the light in the {room} | state=off
            nobody's in the {room} so kill the lights | state=off
            !put the light on in the {room} | state=on
            !make it dark in the {room} | state=off
            i want the {room} light {state}
            i left the light on in the {room} can you turn it off | state=off
            """,
            """
            !get the light {state} in the {room}
            we need some light in the {room} | state=on
            !put out the light in the {room} | state=off
            """,
            """
            !flip the {room} light {state}
            i'd like the {room} light {state}
            it's pitch black in the {room} | state=on
            nobody's using the {room} so lights out | state=off
            """,
        ),
        "set_brightness": (
            """
            !dim the {room} light to {percent} percent
            !set the {room} light to {percent} percent
            !set the brightness in the {room} to {percent} percent
            !turn the {room} light down to {percent} percent
            !make the {room} light {percent} percent bright
            {room} light at {percent} percent
            i want the {room} light at {percent} percent
            !put the {room} lights at {percent} percent
            brightness {percent} percent in the {room}
            !bring the {room} light to {percent} percent
            !dim the lights in the {room} to {percent}
            the {room} should be at {percent} percent brightness
            """,
            """
            !take the {room} light to {percent} percent
            i'd like {percent} percent light in the {room}
            !adjust the {room} light to {percent} percent
            """,
            """
            !change the {room} brightness to {percent} percent
            {percent} percent light in the {room}
            can we have the {room} light at {percent} percent
            !light the {room} at {percent} percent
            """,
        ),
        "set_light_color": (
            """
            !make the {room} light {color}
            !turn the {room} light {color}
            !set the {room} light to {color}
            !change the {room} light to {color}
            i want {color} light in the {room}
            {color} light in the {room}
            !give me {color} light in the {room}
            can we have {color} light in the {room}
            !switch the {room} to {color} light
            the {room} light should be {color}
            !color the {room} light {color}
            let's make the {room} {color}
            """,
            """
            !put {color} light in the {room}
            how about {color} light in the {room}
            i'd love the {room} in {color}
            """,
            """
            !light the {room} in {color}
            !paint the {room} {color} with the lamp
            what about a {color} glow in the {room}
            the {room} lamp in {color}
            """,
        ),
        "set_temperature": (
            """
            !set the heating to {degrees} degrees
            !set the temperature to {degrees} degrees
            !set the {room} to {degrees} degrees
            !turn the heating up to {warm} degrees
            !heat the {room} to {degrees} degrees
            !make it {degrees} degrees in here
            !make it {degrees} degrees in the {room}
            {degrees} degrees in the {room}
            i want {degrees} degrees in the {room}
            !set the thermostat to {degrees} degrees celsius | unit=celsius
            !set the {room} to {fahrenheit} degrees fahrenheit | unit=fahrenheit
            !put the heating on {degrees} degrees
            it should be {degrees} degrees in the {room}
            i'd like it at {degrees} degrees in the {room}
            !warm the {room} up to {degrees} degrees
            """,
            """
            !bring the {room} to {degrees} degrees
            !get the heating to {degrees} degrees celsius | unit=celsius
            let's have {degrees} degrees in the {room}
            """,
            """
            !adjust the thermostat to {degrees} degrees
            !change the {room} heating to {fahrenheit} degrees fahrenheit | unit=fahrenheit
            can we get {degrees} degrees in the {room}
            !keep the {room} at {degrees} degrees
            """,
        ),
        "get_temperature": (
            """
            how warm is it in the {room}
            what's the temperature in the {room}
            how cold is the {room}
            !tell me the temperature in the {room}
            is it warm in the {room}
            is it cold in the {room}
            how many degrees are there in the {room}
            !check how warm the {room} is
            what's it like in the {room} right now cold or warm
            how hot is it in the {room}
            {room} temperature
            what does the thermostat say in the {room}
            """,
            """
            !check the {room} temperature
            how warm is the {room} right now
            is the {room} heated
            """,
            """
            what temperature is the {room} at
            !see how cold the {room} is
            is the {room} warm enough
            how many degrees does the {room} have
            """,
        ),
        "play_song": (
            """
            !play {song}
            !play {song} by {artist}
            !put on {song}
            !put on {song} by {artist}
            i want to hear {song}
            i'd like to listen to {song} by {artist}
            can i hear {song}
            !start {song} by {artist}
            i feel like hearing {song}
            let's listen to {song}
            !play me {song} by {artist}
            !play the song {song}
            !find {song} and play it
            how about {song} by {artist}
            """,
            """
            !spin {song} by {artist}
            i've got {song} stuck in my head so play it
            !let me hear {song}
            """,
            """
            !throw on {song} by {artist}
            could we listen to {song}
            {song} by {artist} would be nice now
            !start playing {song}
            """,
        ),
        "play_genre": (
            """
            !play some {genre}
            !put on some {genre}
            !play {genre} music
            i want to hear some {genre}
            i'm in the mood for {genre}
            can we have some {genre}
            let's listen to some {genre}
            some {genre} music
            !start some {genre} music
            i feel like {genre}
            play me something from {genre}
            a little {genre} would be nice
            """,
            """
            !give me some {genre}
            how about some {genre} music
            i could use some {genre}
            """,
            """
            !throw on some {genre}
            !find me some {genre} music
            a bit of {genre} to get me going
            what about putting on {genre}
            """,
        ),
        "control_music": (
            """
            !pause the music | action=pause
            !pause the song | action=pause
            hold the music for a second | action=pause
            !stop the music | action=stop
            !turn off the music | action=stop
            no more music | action=stop
            !skip this song | action=next
            !play the next song | action=next
            i don't like this one play another | action=next
            next track | action=next
            !go back to the last song | action=previous
            !play the previous song | action=previous
            !play that last one again | action=previous
            !keep playing | action=resume
            !go on with the music | action=resume
            !resume the song | action=resume
            """,
            """
            !freeze the music | action=pause
            !jump to the next track | action=next
            !carry on with the song | action=resume
            """,
            """
            !put the music on hold | action=pause
            !cut the music | action=stop
            !skip ahead to the next one | action=next
            one song back | action=previous
            !continue the music | action=resume
            """,
        ),
        "set_volume": (
            """
            !set the volume to {percent} percent
            !turn the volume to {percent} percent
            volume {percent} percent
            !put the volume at {percent}
            !make the volume {percent} percent
            i want the volume at {percent} percent
            volume to {percent}
            !turn it down to {percent} percent volume
            !set the sound to {percent} percent
            the volume should be at {percent} percent
            !bring the volume to {percent} percent
            {percent} percent volume
            """,
            """
            !take the volume to {percent} percent
            sound at {percent} percent
            !adjust the volume to {percent}
            """,
            """
            !change the volume to {percent} percent
            i'd like {percent} percent volume
            !move the volume to {percent} percent
            the sound at {percent} percent
            """,
        ),
        "change_volume": (
            """
            !turn it up | direction=up
            !turn the volume up | direction=up
            !make it louder | direction=up
            a bit louder | direction=up
            i can't hear you | direction=up
            you're too quiet | direction=up
            !turn it down | direction=down
            !turn the volume down | direction=down
            !make it quieter | direction=down
            that's too loud | direction=down
            a little quieter | direction=down
            the baby's sleeping so keep it down | direction=down
            i can hardly hear the music | direction=up
            my ears hurt that's so loud | direction=down
            """,
            """
            !crank it up a bit | direction=up
            it's a bit too loud in here | direction=down
            !raise the volume a little | direction=up
            """,
            """
            !pump up the volume | direction=up
            !lower the volume a little | direction=down
            could it be a bit louder | direction=up
            not so loud | direction=down
            """,
        ),
    }
)
