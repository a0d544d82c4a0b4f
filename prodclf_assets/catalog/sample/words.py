"""The vocabulary of the sample shop: twelve departments written by hand, and invented words for any more."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class LeafWords:
    """What sellers write about one kind of product.

    Attributes:
        name: the leaf of the category path.
        nouns: what the product is called; the first is the usual one.
        shared_nouns: names that products of other leaves go by as well.
        descriptors: properties typical of the leaf.
        hints: how sellers themselves file it, vaguely; several leaves share each.
        price: median price, in the currency of the shop.
    """

    name: str
    nouns: tuple[str, ...]
    shared_nouns: tuple[str, ...]
    descriptors: tuple[str, ...]
    hints: tuple[str, ...]
    price: float


@dataclass(frozen=True)
class DepartmentWords:
    """A top category: its leaves, and the words any of them may carry.

    `sizes` are units and packs, `variants` colours, flavours or bindings, `hints` the seller's wording for
    the department as a whole.
    """

    name: str
    hints: tuple[str, ...]
    descriptors: tuple[str, ...]
    sizes: tuple[str, ...]
    variants: tuple[str, ...]
    leaves: tuple[LeafWords, ...]


COLOURS = "black; white; silver; grey; navy; red; green; pink; beige; teal; brown; assorted"

GENERAL_HINTS = ("misc", "other", "new arrivals", "deals", "general", "accessories", "gifts", "bestsellers")
MARKETING = (
    "new", "best seller", "hot deal", "100% original", "premium quality", "limited offer", "free shipping", "combo",
    "2024 edition", "top rated", "imported", "value pack", "gift idea", "clearance", "as seen on tv", "exclusive",
)  # fmt: skip
SERIES = (
    "pro", "max", "lite", "plus", "classic", "essential", "elite", "prime", "ultra", "aero", "nova", "series 5",
    "gen 2", "mk3", "one", "air", "core", "select", "signature", "active",
)  # fmt: skip
QUALIFIERS = (
    "kids", "travel", "professional", "mini", "outdoor", "premium", "budget", "foldable", "waterproof", "organic",
    "vintage", "compact", "heavy duty", "smart", "handmade", "reusable", "lightweight", "portable", "large",
    "seasonal", "beginner", "collectors", "refurbished", "everyday", "luxury", "mens", "womens", "senior", "party",
    "office", "winter", "summer",
)  # fmt: skip
SENTENCES = (
    "Made to last and easy to look after.", "A favourite of our customers.", "Ships within two working days.",
    "Please check the size before ordering.", "Makes a thoughtful gift for any occasion.",
    "Colours may differ slightly from the picture.", "Designed for everyday use.", "Comes in a recyclable box.",
    "Trusted quality at a fair price.", "See the pictures for details.", "One year warranty against defects.",
    "Returns accepted within 14 days.", "Perfect for home or on the go.", "Newly improved for this season.",
)  # fmt: skip

# Department: name | hints | descriptors | sizes | variants
# Leaf:       name | nouns | shared nouns | descriptors | hints | median price
_DEPARTMENTS = (
    f"""
    Electronics | electronics; gadgets; tech | usb; digital; rechargeable; portable; smart; hd | 1 m; 2 m; 32 gb; 64 gb; 128 gb; 10 inch; 15 inch; 5000 mah; pack of 2 | {COLOURS}
    Headphones | headphones; earbuds; headset; earphones | case; cable; set | wireless; noise cancelling; over-ear; bass boost; in-ear | audio; sound | 45
    Speakers | speaker; soundbar; subwoofer; boombox | dock; set; system | bluetooth; stereo; surround; 20 watt; party | audio; sound | 60
    Phone Cases | phone case; bumper; flip cover; back cover | case; cover; sleeve | shockproof; tpu; magnetic; clear; slim fit | mobile; phone stuff | 12
    Chargers & Cables | charger; power adapter; charging cable; power bank | cable; dock; adapter | fast charging; type c; braided; 65 watt; dual port | mobile; power | 18
    Computer Accessories | mouse; keyboard; webcam; usb hub | dock; adapter; stand | ergonomic; mechanical; optical; backlit; gaming | computers; pc stuff | 32
    Storage Drives | ssd; hard drive; memory card; flash drive | drive; card; adapter | nvme; external; microsd; high speed; sata | computers; memory | 70
    Cameras | camera; dash cam; action camera; camcorder | stand; case; system | 4k; night vision; mirrorless; wide angle; waterproof | photo; video | 190
    Televisions | television; led tv; smart tv; projector | stand; screen; system | 4k; ultra hd; oled; full hd; android | video; big screen | 420
    """,
    f"""
    Home & Kitchen | home; household; house and living | stainless steel; non stick; durable; easy clean; modern; bpa free | 1 l; 2 l; 500 ml; 24 cm; 28 cm; set of 4; set of 6; pack of 2; king size | {COLOURS}
    Cookware | frying pan; saucepan; casserole; wok | pan; pot; set | induction; cast iron; granite coated; deep; with lid | kitchen; cooking | 38
    Kitchen Appliances | blender; kettle; toaster; coffee maker | machine; maker; jug | 1200 watt; electric; automatic; variable speed; programmable | kitchen; appliances | 75
    Tableware | dinner plate; bowl; mug; cutlery | set; glass; jug | porcelain; stoneware; bone china; dishwasher safe; hand painted | kitchen; dining | 24
    Food Storage | lunch box; storage jar; food container; canister | box; container; jar | airtight; leakproof; glass; stackable; microwave safe | kitchen; storage | 16
    Bedding | bed sheet; duvet cover; pillow; blanket | cover; set; throw | cotton; microfibre; fitted; quilted; 300 thread count | bedroom; textiles | 40
    Curtains & Rugs | curtain; rug; carpet; door mat | mat; throw; panel | blackout; shaggy; woven; eyelet; anti slip | living room; textiles | 34
    Lighting | table lamp; ceiling light; led bulb; lantern | lamp; light; shade | dimmable; warm white; pendant; 9 watt; e27 | living room; lights | 29
    Cleaning Supplies | mop; broom; dustpan; scrub pad | brush; cloth; bucket | spin; microfibre; extendable; absorbent; multi surface | cleaning; storage | 14
    """,
    """
    Beauty | beauty; cosmetics; personal care | natural; vegan; paraben free; dermatologist tested; daily; nourishing | 50 ml; 100 ml; 200 ml; 30 g; 75 g; travel size; pack of 3; 15 ml | rose; aloe vera; lavender; vanilla; citrus; coconut; nude; ruby; charcoal; unscented
    Skin Care | face cream; moisturiser; face serum; toner | cream; gel; lotion | hyaluronic; vitamin c; anti ageing; spf 30; retinol | skin; face | 22
    Hair Care | shampoo; conditioner; hair oil; hair mask | oil; mask; treatment | anti dandruff; keratin; sulphate free; argan; volumising | hair; bath | 14
    Makeup | lipstick; mascara; foundation; eyeliner | palette; stick; powder | matte; long lasting; waterproof; full coverage; shimmer | face; make up | 16
    Fragrance | eau de parfum; cologne; body mist; perfume | spray; roll on; gift set | woody; floral; musk; intense; oriental | scents; body | 48
    Bath & Body | body wash; bath salts; soap bar; body scrub | gel; lotion; scrub | moisturising; shea butter; exfoliating; creamy; ph balanced | body; bath | 10
    Shaving | razor; shaving foam; aftershave; trimmer | blade; gel; kit | 5 blade; cordless; sensitive; beard; cooling | mens grooming; body | 19
    Nail Care | nail polish; nail file; cuticle oil; nail clipper | kit; oil; brush | quick dry; gel effect; glossy; uv; strengthening | nails; make up | 8
    Oral Care | toothpaste; toothbrush; mouthwash; dental floss | brush; gel; kit | whitening; fluoride; sonic; enamel; fresh mint | teeth; bath | 7
    """,
    """
    Grocery | food; grocery; pantry | organic; gluten free; fresh; traditional; low sugar; family pack | 250 g; 500 g; 1 kg; 200 ml; 750 ml; 12 x 30 g; pack of 6; 100 g | chocolate; strawberry; salted; chilli; honey; lemon; mixed; original; garlic; plain
    Tea & Coffee | green tea; ground coffee; tea bags; instant coffee | drink; blend; pods | arabica; dark roast; darjeeling; decaf; loose leaf | drinks; hot drinks | 9
    Snacks | potato chips; nachos; popcorn; trail mix | bites; mix; bar | crunchy; baked; roasted; kettle cooked; spicy | snacks; munchies | 4
    Biscuits & Sweets | cookies; chocolate bar; gummies; wafers | bar; bites; gift box | milk; chewy; cream filled; dark; butter | snacks; sweet | 5
    Breakfast | muesli; corn flakes; oats; pancake mix | mix; bar; spread | wholegrain; high fibre; crunchy; rolled; multigrain | breakfast; dry goods | 6
    Cooking Oils | olive oil; sunflower oil; ghee; sesame oil | oil; spray; blend | extra virgin; cold pressed; refined; filtered; unrefined | cooking; dry goods | 11
    Spices & Sauces | ketchup; curry powder; soy sauce; black pepper | powder; paste; mix | ground; smoked; whole; tangy; hot | cooking; condiments | 4
    Rice & Pasta | basmati rice; spaghetti; noodles; penne | pack; mix; bowl | long grain; durum wheat; parboiled; egg; brown | cooking; dry goods | 6
    Soft Drinks | cola; fruit juice; sparkling water; lemonade | drink; can; bottle | carbonated; sugar free; tropical; no added sugar; chilled | drinks; beverages | 3
    """,
    f"""
    Toys & Games | toys; kids; play | fun; colourful; educational; child safe; battery operated; ages 3+ | 24 pieces; 100 pieces; 500 pieces; set of 3; 30 cm; small; large; 2 players | {COLOURS}
    Building Sets | building blocks; construction set; brick set; magnetic tiles | set; kit; box | interlocking; stem; castle; city; 3d | learning; blocks | 32
    Dolls | doll; dollhouse; fashion doll; baby doll | house; set; figure | princess; talking; dress up; vinyl; poseable | pretend; girls | 25
    Toy Vehicles | toy car; toy truck; train set; rc car | car; set; track | die cast; remote control; pull back; friction; monster | boys; wheels | 22
    Board Games | board game; card game; chess set; dominoes | game; set; box | strategy; family; classic; party; trivia | games; family time | 24
    Puzzles | jigsaw puzzle; puzzle cube; brain teaser; floor puzzle | game; cube; board | wooden; speed; panoramic; glow; animal | games; learning | 15
    Soft Toys | teddy bear; plush toy; stuffed animal; hand puppet | bear; figure; pillow | cuddly; fluffy; huggable; jumbo; washable | pretend; cuddle | 18
    Arts & Crafts | crayons; modelling clay; paint set; sticker book | set; kit; board | washable; glitter; watercolour; creative; non toxic | learning; art | 12
    Outdoor Play | water gun; kite; scooter; trampoline | ball; gun; house | inflatable; garden; foam; bouncy; adjustable | outdoors; wheels | 30
    """,
    f"""
    Sports & Outdoors | sports; fitness; outdoor | lightweight; anti slip; adjustable; waterproof; training; unisex | 5 kg; 10 kg; 2 m; size 5; 6 mm; 1 l; 40 l; pair; pack of 3 | {COLOURS}
    Gym Equipment | dumbbell; kettlebell; weight bench; pull up bar | bar; set; rack | cast iron; hex; olympic; rubber coated; home | fitness gear; strength | 65
    Yoga | yoga mat; yoga block; foam roller; resistance band | mat; strap; band | tpe; extra thick; alignment; eco; stretch | fitness gear; wellness | 22
    Camping | tent; sleeping bag; camping stove; hiking backpack | bag; light; chair | 4 person; ultralight; pop up; thermal; windproof | camping; adventure | 80
    Cycling | bike helmet; bike lock; bicycle pump; bike light | helmet; light; lock | mountain; road; alloy; mtb; led | bikes; wheels | 35
    Ball Sports | football; basketball; volleyball; rugby ball | ball; net; bag | match; stitched; indoor; official; leather | team sports; games | 24
    Racket Sports | tennis racket; badminton racket; shuttlecock; table tennis bat | net; bag; grip | graphite; carbon; nylon; spin; power | racquets; games | 42
    Swimming | swim goggles; swim cap; kickboard; swim fins | goggles; cap; set | anti fog; silicone; uv protection; mirrored; snorkel | water sports; wellness | 17
    Fishing | fishing rod; fishing reel; fishing lure; tackle box | rod; box; line | spinning; telescopic; saltwater; soft bait; carp | water sports; adventure | 38
    """,
    """
    Books | books; reading; print | illustrated; bestselling; revised; award winning; complete; annotated | 320 pages; 200 pages; 480 pages; volume 1; volume 2; set of 3; 2nd edition; pocket | paperback; hardcover; spiral bound; large print; english; box set
    Fiction | novel; thriller; mystery; short stories | story; collection; tale | gripping; literary; historical; romance; crime | stories; leisure reading | 12
    Childrens Books | picture book; bedtime stories; fairy tales; board book | story; activity book; tale | lift the flap; rhyming; first words; magical; animals | stories; kids reading | 9
    Cookbooks | cookbook; recipe book; baking book; recipes | guide; collection; handbook | vegetarian; quick; one pot; mediterranean; healthy | lifestyle; how to | 21
    Business | business book; marketing guide; investing guide; leadership lessons | guide; handbook; course | startup; finance; management; strategy; productivity | work; how to | 19
    Biographies | biography; memoir; autobiography; diaries | story; life; collection | inspiring; untold; political; authorised; sports | real life; leisure reading | 16
    Textbooks | textbook; workbook; exam prep; solutions manual | course; guide; handbook | physics; mathematics; chemistry; university; practice | study; school | 48
    Comics | manga; graphic novel; comic book; comic strips | story; collection; box set | superhero; shonen; adventure; full colour; omnibus | stories; teens | 14
    Travel Guides | travel guide; city map; phrasebook; road atlas | guide; map; handbook | europe; itineraries; walking; asia; insider | lifestyle; trips | 17
    """,
    f"""
    Clothing | clothes; fashion; apparel | cotton; slim fit; regular fit; casual; mens; womens; stretch | s; m; l; xl; xxl; 32; 34; pack of 2; free size | {COLOURS}
    Shirts | formal shirt; polo shirt; flannel shirt; oxford shirt | shirt; top; tee | full sleeve; checked; button down; linen; collared | tops; office wear | 28
    T-Shirts | t-shirt; tank top; graphic tee; vest | tee; top; shirt | round neck; printed; half sleeve; oversized; v neck | tops; casuals | 15
    Jeans & Trousers | jeans; chinos; cargo trousers; joggers | pants; bottoms; shorts | denim; high waist; tapered; ripped; mid rise | bottoms; casuals | 36
    Dresses | maxi dress; evening gown; sundress; skirt | dress; set; top | floral; sleeveless; a line; wrap; bodycon | ladies; party wear | 42
    Jackets | jacket; raincoat; parka; blazer | coat; jumper; hoodie | padded; hooded; bomber; quilted; windproof | outerwear; winter wear | 68
    Knitwear | sweater; cardigan; pullover; turtleneck | jumper; top; hoodie | wool; cable knit; cashmere; ribbed; chunky | winter wear; warm | 40
    Underwear & Socks | boxers; bra; socks; briefs | set; shorts; pants | seamless; ankle; breathable; wireless; elastic | basics; innerwear | 13
    Sleepwear | pyjamas; nightgown; bathrobe; night suit | set; robe; dress | satin; fleece; cosy; lounge; button front | basics; nightwear | 26
    """,
    f"""
    Shoes | footwear; shoes; fashion shoes | comfortable; lightweight; mens; womens; cushioned; rubber sole | uk 6; uk 7; uk 8; uk 9; eu 38; eu 41; eu 43; wide fit | {COLOURS}
    Running Shoes | running shoes; trail runners; jogging shoes; racing flats | trainers; sports shoes; shoes | breathable; mesh; foam; marathon; neutral | active; training | 75
    Sneakers | sneakers; high tops; skate shoes; plimsolls | trainers; shoes; lace ups | canvas; retro; street; chunky; low top | casual; street | 58
    Formal Shoes | oxford shoes; derby shoes; brogues; monk straps | shoes; lace ups; leather shoes | patent; office; polished; cap toe; genuine leather | office; dress | 82
    Boots | ankle boots; hiking boots; chelsea boots; snow boots | boots; shoes; lace ups | suede; waterproof; steel toe; zip; fur lined | winter; rugged | 90
    Sandals | sandals; flip flops; slides; gladiator sandals | slippers; straps; shoes | open toe; cork; beach; strappy; eva | summer; casual | 26
    Heels | stilettos; pumps; wedges; block heels | heels; straps; shoes | pointed toe; platform; bridal; slingback; high | party; dress | 52
    Slippers | house slippers; moccasins; slipper boots; bedroom slippers | slippers; boots; slip ons | memory foam; fluffy; indoor; plush; felt | comfort; winter | 20
    Kids Shoes | school shoes; baby booties; toddler shoes; light up shoes | trainers; shoes; boots | velcro; first walker; cartoon; led; junior | school; little ones | 30
    """,
    f"""
    Automotive | car; auto; vehicle | universal; heavy duty; 12 volt; durable; oem; easy install | 1 l; 5 l; 500 ml; pack of 2; pack of 4; 16 inch; 55 watt; pair; 2 m | {COLOURS}
    Car Electronics | car stereo; gps tracker; parking sensor; dash camera | charger; camera; screen | android; touchscreen; reverse; bluetooth; magnetic | car tech; gadgets | 95
    Interior Accessories | seat cover; floor mat; steering cover; sun shade | mat; cover; organiser | leatherette; custom fit; all weather; foldable; mesh | car care; inside | 32
    Exterior Accessories | car cover; mud flaps; roof rack; wiper blades | cover; rack; guard | uv resistant; frameless; aluminium; chrome; breathable | outside; styling | 48
    Car Care | car shampoo; wax polish; tyre shine; car vacuum | polish; cloth; kit | foaming; scratch remover; ceramic; streak free; glossy | car care; cleaning | 17
    Oils & Fluids | engine oil; brake fluid; coolant; gear oil | oil; fluid; can | 5w30; synthetic; dot 4; diesel; anti freeze | garage; service parts | 29
    Lights & Bulbs | headlight bulb; fog light; tail light; led strip | light; bulb; kit | h7; xenon; 6000k; projector; amber | styling; service parts | 26
    Tyres & Wheels | tyre; alloy wheel; hub cap; tyre inflator | wheel; pump; kit | tubeless; radial; all season; digital; 195/65 | garage; wheels | 110
    Motorcycle Gear | motorcycle helmet; riding gloves; bike cover; riding jacket | helmet; cover; guard | full face; armoured; flip up; touring; carbon | bikers; outside | 88
    """,
    """
    Pet Supplies | pets; animals; pet shop | healthy; durable; vet recommended; soft; adjustable; natural | 1 kg; 3 kg; 10 kg; 400 g; small; medium; large; pack of 12; 85 g | chicken; salmon; beef; lamb; blue; red; grey; brown
    Dog Food | dog food; puppy food; dog treats; kibble | treats; food; chews | grain free; adult; dental; high protein; puppy | feeding; dogs | 28
    Cat Food | cat food; kitten food; cat treats; wet food pouches | treats; food; pouch | indoor; in jelly; tuna; sterilised; kitten | feeding; cats | 22
    Dog Toys | chew toy; rope toy; squeaky toy; fetch ball | toy; ball; chews | tough; rubber; squeaking; teething; tug | dogs; fun | 11
    Cat Litter & Toys | cat litter; scratching post; cat teaser; litter tray | toy; tray; house | clumping; feather; sisal; odour control; catnip | cats; fun | 24
    Collars & Leads | dog collar; dog lead; harness; muzzle | collar; strap; tag | reflective; retractable; padded; no pull; nylon | walking; dogs | 16
    Beds & Carriers | pet bed; pet carrier; dog crate; kennel | bed; house; bag | orthopaedic; plush; airline approved; washable; foldable | travel; comfort | 46
    Grooming | pet shampoo; deshedding brush; nail grinder; flea comb | brush; shampoo; kit | flea; slicker; oatmeal; hypoallergenic; tangle free | care; walking | 15
    Fish & Aquatics | fish tank; aquarium filter; fish flakes; air pump | tank; food; pump | tropical; submersible; glass; planted; freshwater | small pets; water | 37
    """,
    f"""
    Garden & Tools | garden; diy; hardware | heavy duty; rust proof; ergonomic; outdoor; weatherproof; steel | 10 m; 20 m; 5 l; 18 volt; 40 pieces; 25 kg; pack of 5; 12 inch; set of 3 | {COLOURS}
    Hand Tools | hammer; screwdriver; spanner; pliers | set; kit; saw | chrome vanadium; magnetic tip; insulated; claw; ratchet | workshop; tools | 22
    Power Tools | cordless drill; angle grinder; circular saw; sander | drill; saw; kit | brushless; 750 watt; lithium ion; impact; variable speed | workshop; machines | 98
    Plants & Seeds | flower seeds; vegetable seeds; herb plant; bulbs | seeds; plant; kit | perennial; heirloom; non gmo; climbing; flowering | growing; green | 7
    Pots & Planters | plant pot; planter; hanging basket; raised bed | pot; stand; basket | terracotta; ceramic; self watering; balcony; drainage | growing; patio | 25
    Watering | garden hose; sprinkler; watering can; drip irrigation | hose; kit; spray | expandable; oscillating; brass; rotating; leak free | green; watering | 28
    Lawn Care | lawn mower; hedge trimmer; leaf blower; lawn feed | trimmer; feed; rake | petrol; self propelled; 40 cm; grass; cordless | machines; green | 140
    Garden Furniture | garden chair; patio table; hammock; parasol | chair; set; cover | rattan; teak; folding; swing; reclining | patio; outdoor living | 120
    Paint & Decorating | wall paint; paint roller; paint brush; masking tape | brush; roller; set | emulsion; satin; water based; chalk; primer | workshop; decorating | 26
    """,
)

_SYLLABLES = (
    "ba", "bel", "bor", "ca", "cor", "da", "del", "dor", "el", "fa", "fen", "ga", "gor", "ha", "hel", "ka", "kel", "lan",
    "lor", "lu", "ma", "mel", "mir", "na", "nel", "nor", "or", "pa", "pel", "ra", "rin", "ro", "sa", "sel", "sol", "ta",
    "tel", "tor", "va", "vel", "vin", "wen", "ya", "zan", "zel", "zo",
)  # fmt: skip


def invent_words(count: int, seed: int, syllables: int = 3) -> list[str]:
    """Make `count` different pronounceable words, the same ones for the same arguments everywhere."""
    rng = np.random.default_rng([seed, syllables])
    table = np.array(_SYLLABLES, dtype=object)
    words: dict[str, None] = {}
    while len(words) < count:
        drawn = table[rng.integers(0, len(table), size=(count, syllables))]
        words.update(dict.fromkeys(drawn.sum(axis=1)))
    return list(words)[:count]


def departments(count: int) -> list[DepartmentWords]:
    """The first `count` departments: the written ones, then invented ones of the same form."""
    written = [_parse_department(text) for text in _DEPARTMENTS[:count]]
    return written + [_invent_department(number) for number in range(len(written), count)]


def _split(cell: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in cell.split(";"))


def _parse_department(text: str) -> DepartmentWords:
    head, *lines = [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()]
    leaves = []
    for name, nouns, shared, descriptors, hints, price in lines:
        leaves.append(
            LeafWords(name, _split(nouns), _split(shared), _split(descriptors), _split(hints), float(price))
        )
    name, hints, descriptors, sizes, variants = head
    return DepartmentWords(
        name, _split(hints), _split(descriptors), _split(sizes), _split(variants), tuple(leaves)
    )


def _invent_department(number: int) -> DepartmentWords:
    words = iter(invent_words(140, seed=number))

    def some(count: int) -> tuple[str, ...]:
        return tuple(next(words) for _ in range(count))

    name = f"{next(words).title()} Goods"
    shared, hints = some(8), some(6)
    prices = np.exp(np.random.default_rng([number]).normal(3.2, 0.9, size=8)).round(1)
    leaves = tuple(
        LeafWords(
            name=next(words).title(),
            nouns=some(4),
            shared_nouns=tuple(shared[(i + step) % 8] for step in range(3)),
            descriptors=some(5),
            hints=(hints[i % 6], hints[(i + 1) % 6]),
            price=float(prices[i]),
        )
        for i in range(8)
    )
    sizes = ("small", "medium", "large", "1 l", "500 g", "pack of 2", "set of 4")
    return DepartmentWords(name, some(3), some(6), sizes, _split(COLOURS), leaves)
