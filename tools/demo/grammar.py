"""Word lists of the demo corpus: a small Korean comment grammar, as data only.

A predicate is listed by its past stem (진했, 짰, 고왔), irregular ones included, since
every ending used here follows a past stem unchanged: 진했 + 어요, 다, 네요, 지만.
Particles are not listed; `tools.demo.corpus` picks them by the final consonant.
"""

# Final endings and how often a comment is written in each, then the connective one.
STYLES = {"어요": 60, "습니다": 40}
ENDINGS = {"pred": tuple(STYLES), "though": ("지만",)}

# What each domain talks about, and the words that go with it alone. No topic ends in
# another one, so that a sentence of one is never part of a sentence of the other.
DOMAINS = {
    "영화": {
        "topic": "영화 속편 스릴러 사극 애니메이션",
        "verb": "본 관람한",
        "place": "극장에서 영화관에서",
        "wish": "보고",
        "aspect": "연기 줄거리 결말 영상",
    },
    "식당": {
        "topic": "식당 국숫집 냉면집 분식집 고깃집",
        "verb": "간 들른",
        "place": "부산에서 시장에서",
        "wish": "가고",
        "aspect": "국물 면발 고기 반찬 직원",
    },
    "휴대폰": {
        "topic": "휴대폰 스마트폰 태블릿 노트북 스마트워치",
        "verb": "산 구입한",
        "place": "매장에서 대리점에서",
        "wish": "쓰고",
        "aspect": "화면 배터리 스피커 충전",
    },
    "게임": {
        "topic": "게임 신작 후속작 체험판 확장판",
        "verb": "시작한 즐긴",
        "place": "피시방에서 집에서",
        "wish": "하고",
        "aspect": "조작 타격감 서버 보상",
    },
    "야구": {
        "topic": "경기 결승전 개막전 한일전 연장전",
        "verb": "직관한 관전한",
        "place": "야구장에서 잠실에서",
        "wish": "응원하고",
        "aspect": "투수 타선 수비 판정",
    },
    "숙소": {
        "topic": "숙소 호텔 펜션 민박집 리조트",
        "verb": "묵은 머문",
        "place": "제주도에서 강릉에서",
        "wish": "묵고",
        "aspect": "침대 객실 욕실 직원",
    },
    "화장품": {
        "topic": "크림 로션 립밤 틴트 파운데이션",
        "verb": "고른 구매한",
        "place": "백화점에서 면세점에서",
        "wish": "바르고",
        "aspect": "향 발림성 색상 뚜껑",
    },
    "책": {
        "topic": "책 소설 시집 수필집 자서전",
        "verb": "읽은 빌린",
        "place": "도서관에서 학교에서",
        "wish": "읽고",
        "aspect": "문장 번역 내용 표지",
    },
}

# The predicates each aspect takes: praise / blame.
ASPECTS = {
    "연기": "자연스러웠 섬세했 / 어색했 어설펐",
    "줄거리": "흥미로웠 참신했 / 뻔했 지루했",
    "결말": "통쾌했 뭉클했 / 허무했 찜찜했",
    "영상": "화려했 웅장했 / 칙칙했 조잡했",
    "국물": "진했 얼큰했 / 짰 싱거웠",
    "면발": "쫄깃했 탱탱했 / 불었 퍼졌",
    "고기": "연했 부드러웠 / 질겼 퍽퍽했",
    "반찬": "정갈했 푸짐했 / 부실했 눅눅했",
    "직원": "친절했 상냥했 / 무뚝뚝했 불친절했",
    "화면": "선명했 밝았 / 흐렸 어두웠",
    "배터리": "든든했 넉넉했 / 부족했 모자랐",
    "스피커": "빵빵했 우렁찼 / 지직거렸 먹먹했",
    "충전": "빨랐 간편했 / 느렸 번거로웠",
    "조작": "간단했 쉬웠 / 까다로웠 복잡했",
    "타격감": "짜릿했 경쾌했 / 밋밋했 둔탁했",
    "서버": "안정적이었 쾌적했 / 불안정했 느렸",
    "보상": "쏠쏠했 두둑했 / 인색했 초라했",
    "투수": "침착했 노련했 / 지쳤 흔들렸",
    "타선": "매서웠 폭발적이었 / 침묵했 무기력했",
    "수비": "탄탄했 견고했 / 허술했 엉성했",
    "판정": "공정했 정확했 / 편파적이었 애매했",
    "침대": "푹신했 포근했 / 삐걱거렸 딱딱했",
    "객실": "아늑했 널찍했 깨끗했 / 비좁았 지저분했",
    "욕실": "청결했 깨끗했 / 미끄러웠 지저분했",
    "향": "은은했 향긋했 / 독했 역했",
    "발림성": "매끄러웠 부드러웠 / 뻑뻑했 끈적거렸",
    "색상": "화사했 고왔 / 칙칙했 탁했",
    "뚜껑": "튼튼했 앙증맞았 / 헐거웠 뻑뻑했",
    "문장": "간결했 유려했 / 장황했 난해했",
    "번역": "자연스러웠 충실했 / 어색했 엉성했",
    "내용": "유익했 알찼 / 빈약했 지루했",
    "표지": "세련됐 예뻤 / 촌스러웠 구겨졌",
}

# Words of no domain in particular.
COMMON = {
    "opener": "솔직히 개인적으로 역시 확실히 생각보다 의외로 소문대로 이번",
    "when": "어제 오늘 그저께 주말에 지난주에 휴일에 아침에 저녁에",
    "who": "친구랑 동생이랑 언니랑 가족과 부모님과 동료들과 남편과 혼자",
    "adv": "정말 진짜 너무 꽤 무척 아주 상당히 굉장히",
    "also": "게다가 그리고 또한",
    "but": "다만 하지만 그런데",
}

# Sentences as slot names. An `aspect` slot licenses the predicate that follows it.
PARTICLES = {
    "topic": "은는",
    "aspect": "이가",
    "aspect_of": "은는",
    "aspect_too": "도도",
}
TEMPLATES = (
    "topic aspect adv pred",
    "opener topic aspect adv pred",
    "when verb topic aspect adv pred",
    "place verb topic aspect adv pred",
    "when who verb topic aspect adv pred",
    "when place verb topic aspect adv pred",
    "topic aspect though aspect adv pred",
    "opener topic aspect though aspect adv pred",
    "when verb topic aspect though aspect adv pred",
)
SECOND_TEMPLATES = ("also aspect_too adv pred", "but aspect_of adv pred")

# Closing remarks, to be followed by the comment's ending, and replies in one word.
PRAISE = (
    "다음에도 꼭 다시 {wish} 싶었",
    "주변에도 자신 있게 추천하고 싶었",
    "전체적으로 아주 만족스러웠",
    "돈이 하나도 아깝지 않았",
)
BLAME = (
    "앞으로 다시는 {wish} 싶지 않았",
    "전체적으로 많이 실망스러웠",
    "솔직히 돈이 조금 아까웠",
    "기대만큼 좋지는 않았",
)
NEUTRAL = (
    "그냥 무난한 편이었",
    "크게 나쁘지는 않았",
    "호불호가 조금 갈릴 것 같았",
    "가격을 생각하면 그럭저럭 괜찮았",
)
AGREEMENT = {"어요": "맞아요", "습니다": "맞습니다"}

# For held sentences: words far enough from a domain to be plainly wrong in it.
WRONG_PREDICATES = {
    "영화": "얼큰했 쫄깃했 질겼 퍽퍽했 푹신했 비좁았 헐거웠",
    "식당": "지직거렸 구겨졌 웅장했 비좁았 난해했 유려했",
    "휴대폰": "얼큰했 쫄깃했 질겼 퍽퍽했 공정했 무뚝뚝했",
    "게임": "얼큰했 질겼 탱탱했 푹신했 향긋했 구겨졌",
    "야구": "얼큰했 쫄깃했 향긋했 푹신했 구겨졌 지직거렸",
    "숙소": "얼큰했 쫄깃했 질겼 퍽퍽했 난해했 지직거렸",
    "화장품": "친절했 무뚝뚝했 편파적이었 노련했 비좁았 지직거렸",
    "책": "얼큰했 쫄깃했 질겼 탱탱했 비좁았 지직거렸",
}
WRONG_ASPECTS = "국물이 면발이 고기가 배터리가 침대가 욕실이 뚜껑이"

# How comments are put together. Every SPAM_EVERY-th thread holds one over-long comment.
MAX_REPLIES = 8
MORE_RATE = 0.1
CLOSERS = (".", ".", ".", "", "", "", "", "!", "~")
DUPLICATE_RATE = 0.025
NEAR_DUPLICATE_RATE = 0.015
DECOMPOSED_RATE = 0.006
SPAM_EVERY = 2_000
SPAM = "특가 할인 바로가기 " * 950

# Noise, as kind: (rate per comment, variants); {n} becomes four digits.
STRAY = {
    "laughter": (0.05, tuple(c * n for c in "ㅋㅎㅠㅜ" for n in range(2, 13))),
    "emoji": (
        0.03,
        tuple(
            "😀 😂😂😂 ❤️ 🔥🔥 👍🏻 👏🏽👏🏽 🙏🏿 🇰🇷 🇰🇷🇺🇸 1️⃣ #️⃣"
            " 👨\u200d👩\u200d👧\u200d👦 👩\u200d💻 🏳️\u200d🌈".split()
        ),
    ),
    "url": (
        0.008,
        (
            "https://www.example.com/post/{n}?ref=talk",
            "http://blog.example.kr/{n}",
            "www.example.co.kr/view/{n}",
        ),
    ),
    "email": (0.004, ("user{n}@example.com", "문의는 sale.{n}@example.co.kr")),
    "mention": (0.015, ("@user{n}", "@하늘바다{n}", "@kim_{n}")),
    "phone": (0.004, ("010-0000-{n}", "010 0000 {n}", "예약 0100000{n}")),
    "hanja": (0.008, ("美에서도 인기", "中 수출", "韓國 최고", "日 반응", "大박")),
    "masked": (0.006, ("이런 OOO", "OOO 같은", "○○○", "이 ***")),
    "run": (0.02, tuple(c * n for c in "!.?~" for n in range(4, 10)) + ("?!?!?!",)),
    "html": (0.01, ("<br>", "<br/>", "&amp;", "&quot;", "&lt;3", "<b>강추</b>")),
    "digits": (
        0.02,
        ("가격은 {n:,}원", "총 {n}원 결제")
        + tuple(f"{month}월 {2 * month}일 기준" for month in range(1, 13)),
    ),
    "width": (
        0.006,
        ("\uffbb\uffbb\uffbb\uffbb", "\uffbe\uffbe\uffbe", "ＯＫ！", "１００％　만족"),
    ),
}
HIDDEN = {
    "zero_width": (0.008, ("\u200b", "\ufeff", "\u200b\u200b")),
    "control": (0.004, ("\x00", "\x08", "\x1b", "\x7f", "\x9f")),
}
WHOLE = {
    "placeholder": (0.006, ("삭제된 댓글입니다.", "작성자가 삭제한 댓글입니다.")),
    "empty": (0.003, ("", " ")),
    "short": (0.015, ("굿", "ㅋ", "굿굿", "ㅇㅈ", "헐", "1", "👍", "ㅠㅠ", "?")),
}
