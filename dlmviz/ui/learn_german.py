"""The words of the Learn page in German; see learn_english."""

from __future__ import annotations

from typing import Any

GERMAN: dict[str, Any] = {
    "language": "Deutsch",
    "title": "Wie ein Modell schreibt, indem es Lücken füllt",
    "home": "Zur Hauptseite",
    "steps": "Teile der Führung",
    "place": "Teil {at} von {of}",
    "todo": "Tu dies",
    "is_done": "erledigt",
    "is_open": "noch zu tun",
    "well": "Geschafft. {seen}",
    "question": "Eine Frage zum Ausprobieren",
    "answer": "Eine Antwort",
    "paper": "Woher das kommt",
    "back": "Zurück",
    "next": "Weiter",
    "finish": "Selbst probieren",
    "again": "Von vorn",
    "choose": "Lauf auf dem Bildschirm",
    "mask": {
        "title": "Was eine Maske ist",
        "text": [
            "Die meisten Sprachmodelle schreiben von links nach rechts. Dieses beginnt mit lauter "
            "Lücken. Jeder graue Block ist eine Maske: Hier ist noch nichts entschieden.",
            "Bei jedem Schritt sieht es die ganze Zeile an, rät alle Lücken zugleich und behält "
            "nur, was am sichersten ist. Dann sieht es wieder hin und weiß etwas mehr.",
        ],
        "asks": ["Drücke die [Leertaste] oder den runden Knopf und sieh zu."],
        "seen": "Ein Ring zeigt, was ein Schritt schrieb. Er springt: nichts ging der Reihe nach.",
        "question": "Die Antwort enthält vier Rechnungen. Warum kommt 150 zuletzt?",
        "answer": "Ein Ergebnis ist erst sicher, wenn beide Zahlen der Rechnung dastehen.",
        "paper": "LLaDA, arXiv 2502.09992: wie so ein Modell lernt und wie es schreibt.",
    },
    "order": {
        "title": "Wie sicher, und in welcher Reihenfolge",
        "text": [
            "Die Farbe eines Worts sagt, wie sicher das Modell beim Schreiben war: Dunkelblau ist "
            "geraten, Gelb ist sicher. Die Regel hier: Schreib alles, was zu 90 % sicher ist.",
            "Graue Blöcke sind für das Modell nicht leer. Die Karte nennt die Wörter, die es dort "
            "erwägt, jedes mit seiner Wahrscheinlichkeit.",
        ],
        "asks": [
            "Zeige auf einen grauen Block oder wähle einen mit [↑] [↓] und lies die Liste.",
            "Drücke [n] oder „Reihenfolge“: Jedes Wort bekommt die Nummer seines Schritts.",
        ],
        "seen": "Kleine Nummern sind frühe Wörter. Die Farbe sagt, wie sicher, die Nummer, wann.",
        "question": "Such einen grauen Block mit zwei wahrscheinlichen Wörtern. Was fehlt ihm?",
        "answer": "Oft ein Wort oder eine Zahl davor, die selbst noch eine Lücke ist.",
        "paper": "Fast-dLLM, arXiv 2505.22618: schreib alles, was über einer Schwelle liegt.",
    },
    "parallel": {
        "title": "Warum vieles auf einmal schiefgehen kann",
        "text": [
            "Gefragt ist ein Land in Afrika und seine Hauptstadt. Für sich allein hat jede der "
            "beiden Stellen viele gute Antworten.",
            "Werden beide im selben Schritt gezogen, weiß keine von der anderen. Eine nach der "
            "anderen kann die zweite auf die erste sehen.",
        ],
        "runs": ["Vier Tokens je Schritt", "Ein Token je Schritt"],
        "asks": [
            "Vier Tokens je Schritt: Geh ans Ende ([Ende]) und lies die Antwort. Stimmt sie?",
            "Wechsle zu einem Token je Schritt, geh ans Ende und lies noch einmal.",
        ],
        "seen": "Selbes Modell, selbe Frage: Anders ist nur, wie viele zugleich gezogen wurden.",
        "question": "Hätten bessere Chancen für jede Stelle allein die Antwort gerettet?",
        "answer": "Nein. Auch mit perfekten Chancen mischen sich zwei Ziehungen, die nichts "
        "voneinander wissen.",
        "paper": "ParallelBench, arXiv 2510.04767: was paralleles Schreiben kostet, gemessen.",
    },
    "slow_fast": {
        "title": "Langsame und schnelle Tokens",
        "text": [
            "Diese Antwort entsteht in Blöcken von 16. Öffnet sich ein Block, wird das Modell "
            "zweimal gefragt: so, wie es steht, und mit wieder verdecktem Block davor.",
            "Gehen die Meinungen weit auseinander (die Zahl heißt JSD), hängt das Token an dem, "
            "was eben geschrieben wurde: Es ist langsam und braucht 90 %. Schnelle brauchen 70 %.",
        ],
        "asks": [
            "Geh mit [→] zu einem Schritt, bei dem sich ein Block öffnet, etwa Schritt 3.",
            "Zeige auf einen grauen Block, dessen Karte „slow set“ sagt.",
        ],
        "seen": "Langsame Tokens warten auf das, woran sie hängen; schnelle müssen das nicht.",
        "question": "101 + 6 = 107. Was ist langsam, wenn sich Block 2 öffnet: 101 oder 107?",
        "answer": "107: Das muss ausgerechnet werden, und 101 wurde im Block davor gefunden und "
        "muss nur noch abgeschrieben werden.",
        "paper": "Disentangled Decoding, OpenReview 0ZSLZWAmWo, Abschnitt 4.2.",
    },
    "graph": {
        "title": "Von der Aufmerksamkeit zur unabhängigen Menge",
        "text": [
            "Jede Stelle dieses Modells sieht alle anderen an: Das ist Aufmerksamkeit. Sehen sich "
            "zwei Lücken stark an, hängen sie wohl voneinander ab: Verbinde sie.",
            "Von den unsicheren Tokens schreib nur solche ohne Linie dazwischen: eine unabhängige "
            "Menge. Die anderen warten und können dann auf das Geschriebene sehen.",
        ],
        "asks": [
            "Bei Schritt 1 bleibt im Satz ein grauer Block. Zeige auf ihn: „conflicts with“.",
            "Geh einen Schritt weiter ([→]): Jetzt steht es da, und es passt.",
        ],
        "seen": "Zwei Schritte, und doch gehören Land und Hauptstadt zusammen.",
        "question": "Wäre es wichtig gewesen, welches von beiden zuerst kommt?",
        "answer": "Nein. Eins legt das andere fest: Nach der Hauptstadt bleibt nur ein Land, und "
        "umgekehrt.",
        "paper": "DAPD, arXiv 2603.12996: paralleles Schreiben, das Abhängigkeiten beachtet.",
    },
    "learned": {
        "title": "Gelernte Abhängigkeit",
        "text": [
            "Einander ansehen heißt noch nicht: voneinander abhängen. Das kann man messen: Schreib "
            "eine Vermutung in eine Lücke und sieh, wie weit sich die Chancen in einer anderen "
            "verschieben. Das ist D, von 0 bis 1.",
            "Alle Paare zu messen wäre teuer. Ein kleines Netz hat gelernt, D aus dem "
            "vorherzusagen, was das Modell ohnehin im Sinn hat. Die Regel: Nimm die sichersten "
            "Tokens, solange ihr D zusammen in einem Budget bleibt, hier 0,1.",
            "Ein anderer Ausweg: Ein zweites, winziges Modell schreibt acht Tokens auf einmal von "
            "links nach rechts. Es liest, was das erste von ihnen hält, und macht sie passend.",
        ],
        "runs": ["Mit Budget", "In Achterstücken"],
        "asks": [
            "Bei Schritt 1 bleiben im Satz zwei graue Blöcke. Zeige auf einen: „over budget“.",
            "Geh weiter ([→]), bis beide dastehen.",
            "Wechsle zu den Achterstücken und geh ans Ende: Welches Stück kam zuletzt?",
        ],
        "seen": "Der Bogen zwischen den beiden war die Warnung; nacheinander passen sie zusammen. "
        "In den Stücken kamen Land und Hauptstadt im selben Schritt und passen auch.",
        "question": "Warum dürfen bei Schritt 1 dreißig Tokens zugleich kommen, diese zwei nicht?",
        "answer": "Die anderen bleiben, was sie sind, welches Land es auch wird: Ihr D ist fast "
        "nichts. Land und Hauptstadt legen einander fest.",
        "paper": "DEMASK, arXiv 2604.02560, und CoDiLA, 2603.20216. Beide Teile sind von uns.",
    },
    "training": {
        "title": "Was Training verändert",
        "text": [
            "Dasselbe kleine Sudoku und dieselbe Regel (80 % sicher genügt), aber zwei Modelle: "
            "eins wurde früh angehalten, das andere ist größer und lernte länger.",
            "Gemessen an 500 Rätseln, bei 70 %: Das frühe Modell löst 63,8 %, das andere 99,4 %. "
            "Eine Regel, die auf Sicherheit baut, ist so gut wie die Sicherheit. (Destillation "
            "lehrt ein Modell, weniger Schritte zu brauchen: Bei Fragen wie der nach der "
            "Hauptstadt braucht unseres 1,34-mal weniger und liegt so oft richtig. Das tut Train.)",
        ],
        "runs": ["Das frühe Modell", "Das volle Modell"],
        "asks": [
            "Das frühe Modell: Geh ans Ende ([Ende]) und prüfe die Spalten.",
            "Wechsle zum vollen Modell, geh ans Ende und prüfe noch einmal.",
        ],
        "seen": "Das frühe Modell war schneller und lag falsch: Es versprach mehr, als es wusste.",
        "question": "Welche Ziffern stoßen beim frühen Modell zusammen, und wann kamen sie?",
        "answer": "Zwei 3 in der letzten Spalte, beide bei Schritt 2, und zwei 2 in der dritten, "
        "beide bei Schritt 3: jedes Paar zugleich.",
        "paper": "LLaDA, arXiv 2502.09992, zum Training; die Zahlen stehen in den Modellkarten.",
    },
}
