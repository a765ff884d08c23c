#!/usr/bin/env python3
"""Writes cron_table.txt: when cron expressions fire, found minute by minute with Python's zoneinfo and
a reading of crontab(5) of its own. Past years only: a new tzdata does not change them.

    cron_table.py > cron_table.txt
Lines: ZONE | EXPRESSION | count over three years | SHA-256 over those, a decimal and a newline each |
the firings around the changes of the clock, as seconds since 1970."""
import datetime
import hashlib
import zoneinfo

BEGIN = datetime.datetime(2022, 1, 1, tzinfo=datetime.timezone.utc)
END = datetime.datetime(2025, 1, 1, tzinfo=datetime.timezone.utc)
ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]
EXPRESSIONS = [
    "30 2 * * 1-5", "30 2 * * *", "0 2 * * *", "0,30 1-3 * * *", "15 2 * * sun", "0 0 * * *",
    "*/20 2 * * *", "30 * * * *", "45 */2 * * *", "*/7 1-3 * * *", "0 12 13 * 5", "0 12 */2 * 1",
    "0 12 1-7 * */2", "5 4 29 2 *", "0 9 * jan,JUL mon-fri", "59 23 31 * *", "0 0 1 1 *",
    "*/5 * * 10,11,3,4 0",
]


def values(field, low, high, names=()):
    out = set()
    for item in field.lower().split(","):
        body, _, step = item.partition("/")
        if body == "*":
            first, last = low, high
        else:
            ends = [names.index(e) + low if e in names else int(e) for e in body.split("-")]
            first, last = ends[0], ends[-1]
        out.update(range(first, last + 1, int(step or 1)))
    return out


class Expression:
    def __init__(self, text):
        fields = text.split()
        self.minutes = values(fields[0], 0, 59)
        self.hours = values(fields[1], 0, 23)
        self.days = values(fields[2], 1, 31)
        self.months = values(fields[3], 1, 12, ("jan feb mar apr may jun jul aug sep oct nov "
                                                "dec").split())
        self.weekdays = {d % 7 for d in values(fields[4], 0, 7, "sun mon tue wed thu fri "
                                                                "sat".split())}
        self.both = fields[2].startswith("*") or fields[4].startswith("*")
        self.follows_wall = fields[0].startswith("*") or fields[1].startswith("*")

    def matches(self, wall):
        if wall.minute not in self.minutes or wall.hour not in self.hours:
            return False
        if wall.month not in self.months:
            return False
        day = wall.day in self.days
        weekday = wall.isoweekday() % 7 in self.weekdays
        return (day and weekday) if self.both else (day or weekday)


def minutes_of(zone):
    """(seconds since 1970, what the wall shows, seen before, walls skipped right before)."""
    minute = datetime.timedelta(minutes=1)
    when = BEGIN
    before = when.astimezone(zone).replace(tzinfo=None) - minute
    latest = before
    while when < END:
        aware = when.astimezone(zone)
        wall = aware.replace(tzinfo=None)
        skipped = []
        missing = before + minute
        while missing < wall:
            skipped.append(missing)
            missing += minute
        yield int(when.timestamp()), wall, wall <= latest, skipped
        latest = max(latest, wall)
        before = wall
        when += minute


def main():
    for name in ZONES:
        expressions = [(text, Expression(text), []) for text in EXPRESSIONS]
        changes = []
        offset = None
        zone = zoneinfo.ZoneInfo(name)
        for seconds, wall, repeated, skipped in minutes_of(zone):
            if skipped or (repeated and wall.minute in (0, 30) and offset != 1):
                changes.append(seconds)
            offset = 1 if repeated else None
            for _, expression, fired in expressions:
                if expression.follows_wall:
                    fires = expression.matches(wall)
                else:
                    fires = (not repeated and expression.matches(wall)) or any(
                        expression.matches(s) for s in skipped)
                if fires:
                    fired.append(seconds)
        for text, _, fired in expressions:
            digest = hashlib.sha256("".join(f"{s}\n" for s in fired).encode()).hexdigest()
            near = [str(s) for s in fired if any(abs(s - c) <= 3 * 3600 for c in changes)]
            print(f"{name} | {text} | {len(fired)} | {digest} | {' '.join(near)}")


if __name__ == "__main__":
    main()
