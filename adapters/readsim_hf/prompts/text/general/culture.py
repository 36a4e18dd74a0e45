"""More facts by relation, in three tiers of rarity, and events with their years."""

from readsim_hf.prompts.text.general.rows import parse_rows

SCIENCE = (
    parse_rows("""
        the theory of general relativity: Albert Einstein
        the law of universal gravitation: Isaac Newton
        the discovery of penicillin: Alexander Fleming
        the invention of dynamite: Alfred Nobel
        the writing system for the blind: Louis Braille
        the theory of evolution by natural selection: Charles Darwin
        the invention of the World Wide Web: Tim Berners-Lee
    """),
    parse_rows("""
        the smallpox vaccine: Edward Jenner
        the periodic table of 1869: Dmitri Mendeleev
        the discovery of X-rays: Wilhelm Roentgen
        the discovery of the electron: J. J. Thomson
        the laws of planetary motion: Johannes Kepler
        the heliocentric model published in 1543: Nicolaus Copernicus
        the uncertainty principle: Werner Heisenberg
        the electric battery known as the pile: Alessandro Volta
        experiments on the heredity of peas: Gregor Mendel
        the discovery of electromagnetic induction: Michael Faraday
        the equations of electromagnetism: James Clerk Maxwell
        the discovery of four large moons of Jupiter: Galileo Galilei
        the vaccine against rabies: Louis Pasteur
    """),
    parse_rows("""
        the discovery of the neutron: James Chadwick
        the incompleteness theorems: Kurt Goedel
        the exclusion principle: Wolfgang Pauli
        the mercury barometer: Evangelista Torricelli
        the description of the circulation of blood: William Harvey
        the discovery of Uranus: William Herschel
        the discovery of Pluto: Clyde Tombaugh
        the hypothesis of continental drift: Alfred Wegener
        the first measurement of the speed of light from Jupiter's moons: Ole Roemer
    """),
)

UNITS = (
    parse_rows("""
        metres: length
        seconds: time
        kilograms: mass
        volts: electric potential
        watts: power
        hertz: frequency
    """),
    parse_rows("""
        newtons: force
        joules: energy
        amperes: electric current
        ohms: electric resistance
        pascals: pressure
        kelvins: temperature
        moles: amount of substance
        coulombs: electric charge
        becquerels: radioactivity
    """),
    parse_rows("""
        candelas: luminous intensity
        farads: capacitance
        henries: inductance
        teslas: magnetic flux density
        webers: magnetic flux
        siemens: electric conductance
        lux: illuminance
        lumens: luminous flux
        katals: catalytic activity
        grays: absorbed dose of radiation
    """),
)

LANDMARKS = (
    parse_rows("""
        the Eiffel Tower: France
        the Colosseum: Italy
        the Taj Mahal: India
        the Great Pyramid of Giza: Egypt
        Stonehenge: the United Kingdom
        the Acropolis: Greece
        the Brandenburg Gate: Germany
        the Sydney Opera House: Australia
        Mount Fuji: Japan
        the Forbidden City: China
        the Statue of Liberty: the United States
    """),
    parse_rows("""
        Machu Picchu: Peru
        Petra: Jordan
        Angkor Wat: Cambodia
        Chichen Itza: Mexico
        the Alhambra: Spain
        the statue of Christ the Redeemer: Brazil
        Hagia Sophia: Turkey
        the moai statues of Rapa Nui: Chile
        Table Mountain: South Africa
        Neuschwanstein Castle: Germany
        the Little Mermaid statue: Denmark
    """),
    parse_rows("""
        Borobudur: Indonesia
        the temples of Bagan: Myanmar
        Rila Monastery: Bulgaria
        the ruins of Great Zimbabwe: Zimbabwe
        the Roman ruins of Timgad: Algeria
        the Roman ruins of Leptis Magna: Libya
        the rock fortress of Sigiriya: Sri Lanka
        the ruins of Persepolis: Iran
        Bran Castle: Romania
    """),
)

COMPOSERS = (
    parse_rows("""
        The Magic Flute: Wolfgang Amadeus Mozart
        The Four Seasons: Antonio Vivaldi
        Swan Lake: Pyotr Tchaikovsky
        Carmen: Georges Bizet
        Fidelio: Ludwig van Beethoven
    """),
    parse_rows("""
        the Brandenburg Concertos: Johann Sebastian Bach
        Messiah: George Frideric Handel
        The Ring of the Nibelung: Richard Wagner
        Aida: Giuseppe Verdi
        Tosca: Giacomo Puccini
        The Rite of Spring: Igor Stravinsky
        Bolero: Maurice Ravel
        The Planets: Gustav Holst
        Rhapsody in Blue: George Gershwin
    """),
    parse_rows("""
        Finlandia: Jean Sibelius
        The Creation: Joseph Haydn
        Ma vlast: Bedrich Smetana
        Bluebeard's Castle: Bela Bartok
        Jenufa: Leos Janacek
        Winterreise: Franz Schubert
        Rusalka: Antonin Dvorak
        Boris Godunov: Modest Mussorgsky
    """),
)

# Event, year, tier.
EVENTS = (
    ("the first Moon landing", 1969, 1),
    ("the fall of the Berlin Wall", 1989, 1),
    ("the sinking of the Titanic", 1912, 1),
    ("the start of the First World War", 1914, 1),
    ("the end of the Second World War", 1945, 1),
    ("the storming of the Bastille", 1789, 1),
    ("the United States Declaration of Independence", 1776, 1),
    ("the Chernobyl disaster", 1986, 1),
    ("the first voyage of Columbus to the Americas", 1492, 1),
    ("the dissolution of the Soviet Union", 1991, 1),
    ("the Battle of Waterloo", 1815, 2),
    ("the Great Fire of London", 1666, 2),
    ("the sealing of Magna Carta", 1215, 2),
    ("the Battle of Hastings", 1066, 2),
    ("the fall of Constantinople to the Ottomans", 1453, 2),
    ("the opening of the Suez Canal", 1869, 2),
    ("the launch of Sputnik", 1957, 2),
    ("the October Revolution in Russia", 1917, 2),
    ("the Peace of Westphalia", 1648, 2),
    ("the imperial coronation of Charlemagne", 800, 2),
    ("the eruption of Vesuvius that buried Pompeii", 79, 2),
    ("the Wall Street crash", 1929, 2),
    ("the first modern Olympic Games", 1896, 2),
    ("the Wright brothers' first powered flight", 1903, 2),
    ("the defeat of the Spanish Armada", 1588, 2),
    ("the great Lisbon earthquake", 1755, 2),
    ("the First Council of Nicaea", 325, 3),
    ("the second Defenestration of Prague", 1618, 3),
    ("the Battle of Lepanto", 1571, 3),
    ("the Meiji Restoration", 1868, 3),
    ("the great eruption of Krakatoa", 1883, 3),
    ("the Treaty of Tordesillas", 1494, 3),
    ("the first Battle of Mohacs", 1526, 3),
    ("the independence of Haiti", 1804, 3),
    ("the Battle of Agincourt", 1415, 3),
    ("the Edict of Nantes", 1598, 3),
    ("the independence of Brazil", 1822, 3),
    ("the July Revolution in France", 1830, 3),
)
