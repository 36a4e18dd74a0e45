"""Facts by relation, in three tiers of rarity: (subject, object) pairs."""

from readsim_hf.prompts.text.general import culture
from readsim_hf.prompts.text.general.rows import Pairs, groups, parse_rows

_CAPITALS = (
    parse_rows("""
        France: Paris
        Italy: Rome
        Japan: Tokyo
        Spain: Madrid
        Germany: Berlin
        the United Kingdom: London
        Russia: Moscow
        China: Beijing
        Egypt: Cairo
        Greece: Athens
        Canada: Ottawa
        Cuba: Havana
        Ireland: Dublin
        Sweden: Stockholm
        Norway: Oslo
        Poland: Warsaw
        Portugal: Lisbon
        India: New Delhi
        Austria: Vienna
        Belgium: Brussels
    """),
    parse_rows("""
        Kenya: Nairobi
        Peru: Lima
        Chile: Santiago
        Colombia: Bogota
        Vietnam: Hanoi
        Thailand: Bangkok
        Hungary: Budapest
        Finland: Helsinki
        Denmark: Copenhagen
        Turkey: Ankara
        Iran: Tehran
        Iraq: Baghdad
        Morocco: Rabat
        Ethiopia: Addis Ababa
        Ghana: Accra
        Nigeria: Abuja
        Australia: Canberra
        New Zealand: Wellington
        Argentina: Buenos Aires
        Ukraine: Kyiv
        Romania: Bucharest
        Bulgaria: Sofia
    """),
    parse_rows("""
        Mongolia: Ulaanbaatar
        Bhutan: Thimphu
        Laos: Vientiane
        Zambia: Lusaka
        Madagascar: Antananarivo
        Burkina Faso: Ouagadougou
        Paraguay: Asuncion
        Suriname: Paramaribo
        Fiji: Suva
        Slovenia: Ljubljana
        Moldova: Chisinau
        Kyrgyzstan: Bishkek
        Tajikistan: Dushanbe
        Eritrea: Asmara
        Botswana: Gaborone
        Namibia: Windhoek
        Samoa: Apia
        Malta: Valletta
        Latvia: Riga
        Uganda: Kampala
    """),
)

_CURRENCIES = (
    parse_rows("""
        Japan: yen
        India: rupee
        the United Kingdom: pound
        Switzerland: franc
        Russia: ruble
        China: yuan
        the United States: dollar
    """),
    parse_rows("""
        Mexico: peso
        Thailand: baht
        Poland: zloty
        Hungary: forint
        Sweden: krona
        Turkey: lira
        Israel: shekel
        South Africa: rand
        Brazil: real
        South Korea: won
        Denmark: krone
    """),
    parse_rows("""
        Peru: sol
        Vietnam: dong
        Ukraine: hryvnia
        Ghana: cedi
        Nigeria: naira
        Kenya: shilling
        Mongolia: tugrik
        Zambia: kwacha
        Botswana: pula
        Laos: kip
        Ethiopia: birr
        Paraguay: guarani
        Madagascar: ariary
        Morocco: dirham
        Iran: rial
        Romania: leu
    """),
)

_CONTINENTS = (
    groups("""
        Europe: France, Italy, Spain, Germany, Greece, Ireland, Sweden, Norway, Poland, Portugal
        Asia: Japan, China, India
        North America: Canada, Mexico, the United States
        South America: Brazil, Argentina
        Oceania: Australia, New Zealand
        Africa: Kenya, South Africa, Nigeria
    """),
    groups("""
        Europe: Hungary, Finland, Denmark, Ukraine, Romania, Bulgaria, Austria, Belgium
        Asia: Vietnam, Thailand, Iran, Iraq, Nepal
        North America: Cuba, Jamaica, Costa Rica
        South America: Peru, Chile, Colombia, Bolivia, Ecuador
        Oceania: Fiji, Papua New Guinea
        Africa: Morocco, Ethiopia, Ghana, Algeria, Senegal, Uganda
    """),
    groups("""
        Europe: Slovenia, Moldova, Malta, Latvia, Andorra
        Asia: Mongolia, Bhutan, Laos, Kyrgyzstan, Tajikistan, Brunei
        North America: Belize, Barbados, Saint Lucia
        South America: Paraguay, Suriname, Guyana
        Oceania: Samoa, Tonga, Vanuatu, Kiribati
        Africa: Zambia, Madagascar, Burkina Faso, Eritrea, Botswana, Namibia, Lesotho, Djibouti
    """),
)

# Element, symbol and atomic number.
ELEMENTS = (
    *(("hydrogen", "H", 1), ("helium", "He", 2), ("lithium", "Li", 3), ("beryllium", "Be", 4)),
    *(("boron", "B", 5), ("carbon", "C", 6), ("nitrogen", "N", 7), ("oxygen", "O", 8)),
    *(("fluorine", "F", 9), ("neon", "Ne", 10), ("sodium", "Na", 11), ("magnesium", "Mg", 12)),
    *(("aluminium", "Al", 13), ("silicon", "Si", 14), ("phosphorus", "P", 15), ("sulfur", "S", 16)),
    *(("chlorine", "Cl", 17), ("argon", "Ar", 18), ("potassium", "K", 19), ("calcium", "Ca", 20)),
    *(("scandium", "Sc", 21), ("titanium", "Ti", 22), ("vanadium", "V", 23)),
    *(("chromium", "Cr", 24), ("manganese", "Mn", 25), ("iron", "Fe", 26), ("cobalt", "Co", 27)),
    *(("nickel", "Ni", 28), ("copper", "Cu", 29), ("zinc", "Zn", 30), ("gallium", "Ga", 31)),
    *(("germanium", "Ge", 32), ("arsenic", "As", 33), ("selenium", "Se", 34)),
    *(("bromine", "Br", 35), ("krypton", "Kr", 36), ("rubidium", "Rb", 37)),
    *(("strontium", "Sr", 38), ("yttrium", "Y", 39), ("zirconium", "Zr", 40)),
    *(("niobium", "Nb", 41), ("silver", "Ag", 47), ("cadmium", "Cd", 48), ("indium", "In", 49)),
    *(("tin", "Sn", 50), ("antimony", "Sb", 51), ("iodine", "I", 53), ("xenon", "Xe", 54)),
    *(("caesium", "Cs", 55), ("barium", "Ba", 56), ("tungsten", "W", 74), ("platinum", "Pt", 78)),
    *(("gold", "Au", 79), ("mercury", "Hg", 80), ("lead", "Pb", 82), ("bismuth", "Bi", 83)),
    *(("radon", "Rn", 86), ("radium", "Ra", 88), ("uranium", "U", 92)),
)
_COMMON = {
    "hydrogen",
    "helium",
    "carbon",
    "nitrogen",
    "oxygen",
    "iron",
    "gold",
    "silver",
    "uranium",
}
_SCHOOL = {
    *("lithium", "neon", "sodium", "magnesium", "aluminium", "silicon", "phosphorus", "sulfur"),
    *("chlorine", "argon", "potassium", "calcium", "copper", "zinc", "nickel", "tin", "iodine"),
    *("mercury", "lead", "platinum", "fluorine", "titanium", "tungsten", "boron"),
}


def element_tier(name: str) -> int:
    """How rare knowledge about an element is."""
    return 1 if name in _COMMON else 2 if name in _SCHOOL else 3


_SYMBOLS = tuple(
    tuple((name, symbol) for name, symbol, _ in ELEMENTS if element_tier(name) == tier)
    for tier in (1, 2, 3)
)

_ANIMALS = (
    groups("""
        mammals: elephant, kangaroo, dolphin, whale, otter, tiger
        birds: penguin, ostrich, eagle, owl
        reptiles: crocodile, tortoise, cobra
        amphibians: frog, toad
        fish: shark, salmon, tuna
        insects: ant, butterfly, mosquito, bee
        arachnids: spider, scorpion
    """),
    groups("""
        mammals: bat, hedgehog, seal, sloth
        birds: puffin, flamingo, kiwi
        reptiles: gecko, iguana, chameleon
        amphibians: salamander, newt
        fish: seahorse, eel, stingray
        insects: termite, dragonfly, cricket
        arachnids: tick, mite
    """),
    groups("""
        mammals: platypus, echidna, pangolin, manatee, aardvark
        birds: cassowary, hoatzin, shrike
        reptiles: tuatara, skink, gharial
        amphibians: axolotl, caecilian, olm
        fish: lungfish, lamprey, coelacanth
        insects: weevil, earwig, lacewing
        arachnids: harvestman, vinegaroon
    """),
)

_AUTHORS = (
    parse_rows("""
        Hamlet: William Shakespeare
        Don Quixote: Miguel de Cervantes
        War and Peace: Leo Tolstoy
        Pride and Prejudice: Jane Austen
        Nineteen Eighty-Four: George Orwell
        Crime and Punishment: Fyodor Dostoevsky
        Oliver Twist: Charles Dickens
        Frankenstein: Mary Shelley
        Les Miserables: Victor Hugo
        The Hobbit: J. R. R. Tolkien
    """),
    parse_rows("""
        Moby-Dick: Herman Melville
        The Metamorphosis: Franz Kafka
        Ulysses: James Joyce
        Dracula: Bram Stoker
        Faust: Johann Wolfgang von Goethe
        The Divine Comedy: Dante Alighieri
        Madame Bovary: Gustave Flaubert
        The Old Man and the Sea: Ernest Hemingway
        Wuthering Heights: Emily Bronte
        Jane Eyre: Charlotte Bronte
        Gulliver's Travels: Jonathan Swift
        Robinson Crusoe: Daniel Defoe
        Treasure Island: Robert Louis Stevenson
        The Little Prince: Antoine de Saint-Exupery
        One Hundred Years of Solitude: Gabriel Garcia Marquez
    """),
    parse_rows("""
        The Name of the Rose: Umberto Eco
        The Master and Margarita: Mikhail Bulgakov
        Things Fall Apart: Chinua Achebe
        The Tin Drum: Gunter Grass
        Middlemarch: George Eliot
        Buddenbrooks: Thomas Mann
        Dead Souls: Nikolai Gogol
        The Red and the Black: Stendhal
    """),
)

TABLES: dict[str, tuple[Pairs, ...]] = {
    "capital": _CAPITALS,
    "currency": _CURRENCIES,
    "continent": _CONTINENTS,
    "symbol": _SYMBOLS,
    "animal": _ANIMALS,
    "author": _AUTHORS,
    "science": culture.SCIENCE,
    "unit": culture.UNITS,
    "landmark": culture.LANDMARKS,
    "composer": culture.COMPOSERS,
}
