"""Where in which songs may a clip be from?

First the loudest peaks of a clip are looked up, which is nearly always enough. Where that gives no sure answer, the
softer ones are too, and then all of it at other speeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from services.matcher.evidence import Alignment, Evidence, align, evidence
from services.matcher.landmarks import clip_landmarks, hashed, landmark_peaks, pairs
from services.matcher.parameters import (
    BIN_FRAMES,
    BRIEF_SPREAD,
    LEAST_BUDGET,
    MOST_CLIP_FRAMES,
    POLISH_GAIN,
    POLISH_MARGIN,
    POLISH_STEPS,
    POLISHED,
    QUICK,
    SURE_SCORE,
    THOROUGH,
    UNSURE_MARGIN,
    WARPED_ANCHORS,
    WARPED_CANDIDATES,
    WARPED_CANDIDATES_EACH,
    WARPED_FAN_OUT,
    WARPED_PENALTY,
    WARPED_POSTINGS,
    Effort,
)
from services.matcher.scoring import Candidate, candidates
from services.matcher.segment import Segment
from services.matcher.warps import STRAIGHT, WARPS, Warp
from shared.fingerprint import FRAME_RATE_HZ, Fingerprint


@dataclass(frozen=True, slots=True)
class Place:
    """The best place of a clip in one song.

    Attributes
    ----------
    number : int
        The song.
    score : float
        Nats of the alignment, less those that chance gains from many speeds.
    alignment : Alignment
        Of the clip, brought to the speed of the song.
    warp : Warp
        How the clip differs from the song.
    segment : Segment
        Holds the song.
    part : int
        A part of the song in the segment.
    """

    number: int
    score: float
    alignment: Alignment
    warp: Warp
    segment: Segment
    part: int


@dataclass(frozen=True, slots=True)
class _Proposal:
    segment: Segment
    candidate: Candidate
    warp: Warp


def best_places(segments: Sequence[Segment], clip: Fingerprint, threshold: float) -> list[Place]:
    """Return the best place of a clip in every song that it may be from, best first.

    Parameters
    ----------
    segments : sequence of Segment
        The index.
    clip : Fingerprint
        Of a clip longer than `MOST_CLIP_FRAMES` only the beginning is searched.
    threshold : float
        Score of an answer, in nats: until one is surely above it, more and more is looked up.
    """
    clip = _beginning(clip)
    places: dict[int, Place] = {}
    for look in (_quick, _thorough, _off_speed):
        for number, place in look(segments, clip, threshold).items():
            if number not in places or place.score > places[number].score:
                places[number] = place
        if max((place.score for place in places.values()), default=0.0) >= threshold + UNSURE_MARGIN:
            break
    ranked = sorted(places.values(), key=lambda place: -place.score)
    if ranked and ranked[0].score >= threshold - POLISH_MARGIN and ranked[0].warp in (STRAIGHT, *WARPS):
        ranked[0] = _polished(ranked[0], clip, threshold)
    return [place for place in ranked if place.score > 0]


def _beginning(clip: Fingerprint) -> Fingerprint:
    kept = int(np.searchsorted(clip.frames, MOST_CLIP_FRAMES))
    columns = {name: getattr(clip, name)[:kept] for name in ("frames", "frequencies", "levels")}
    return replace(clip, **columns) if kept < len(clip.frames) else clip


def _quick(segments: Sequence[Segment], clip: Fingerprint, _: float) -> dict[int, Place]:
    """Look up the loudest peaks of a clip: all that a clear one needs."""
    return _proved(_straight(segments, clip, QUICK), clip)


def _thorough(segments: Sequence[Segment], clip: Fingerprint, _: float) -> dict[int, Place]:
    """Look up soft peaks too."""
    return _proved(_straight(segments, clip, THOROUGH), clip)


def _straight(segments: Sequence[Segment], clip: Fingerprint, effort: Effort) -> list[_Proposal]:
    """Return the best candidates of a clip as it is.

    A smaller segment has fewer postings of each hash, so to read as many of its landmarks takes fewer postings.
    """
    landmarks = clip_landmarks(clip, effort)
    largest = max((len(segment.postings) for segment in segments), default=0)
    proposals = []
    for segment in segments:
        postings = max(effort.postings * len(segment.postings) // max(largest, 1), effort.postings // LEAST_BUDGET)
        found = candidates(segment, landmarks, effort.candidates, postings)
        proposals += [_Proposal(segment, one, STRAIGHT) for one in found]
    proposals.sort(key=lambda proposal: -proposal.candidate.score)
    return proposals[: effort.candidates]


def _off_speed(segments: Sequence[Segment], clip: Fingerprint, threshold: float) -> dict[int, Place]:
    """Look up a clip at other speeds.

    Half a step beside its speed the right song has most landmarks, but few peaks where they should be.
    """
    proposals = _warped(segments, clip)
    places = _proved(proposals, clip)
    for proposal in proposals[:POLISHED]:
        for number, place in _proved([proposal], clip).items():
            places[number] = max([places[number], _polished(place, clip, threshold)], key=lambda one: one.score)
            if places[number].score >= threshold + POLISH_GAIN:
                return places
    return places


def _warped(segments: Sequence[Segment], clip: Fingerprint) -> list[_Proposal]:
    """Return the best candidates of a clip at other speeds. The pairs are the same at every speed, not their hashes."""
    peaks = landmark_peaks(clip, WARPED_ANCHORS)
    same_pairs = pairs(peaks, WARPED_FAN_OUT)
    proposals = []
    for warp in WARPS:
        landmarks = hashed(*warp.applied(peaks.frames, peaks.frequencies), same_pairs)
        for segment in segments:
            found = candidates(segment, landmarks, WARPED_CANDIDATES_EACH, WARPED_POSTINGS)
            proposals += [_Proposal(segment, one, warp) for one in found]
    proposals.sort(key=lambda proposal: -proposal.candidate.score)
    return proposals[:WARPED_CANDIDATES]


def _proved(proposals: list[_Proposal], clip: Fingerprint) -> dict[int, Place]:
    """Return the best place in every proposed song."""
    by_warp: dict[Warp, dict[int, list[_Proposal]]] = {}
    for proposal in proposals:
        by_warp.setdefault(proposal.warp, {}).setdefault(proposal.candidate.number, []).append(proposal)
    best: dict[int, Place] = {}
    for warp, by_song in by_warp.items():
        heard = _evidence(clip, warp)
        for number, same in by_song.items():
            offsets = [proposal.candidate.offset for proposal in same]
            place = _place(number, heard, warp, same[0].segment, same[0].candidate.part, offsets)
            if number not in best or place.score > best[number].score:
                best[number] = place
    return best


def _polished(place: Place, clip: Fingerprint, threshold: float) -> Place:
    """Return a place with its speed and pitch refined.

    A clip at another tempo agrees with its song at the straight speed too, but only for a second or two. Chance gains
    some nats by being refined, but only the right place gains many.
    """
    is_brief = place.alignment.spread < BRIEF_SPREAD * clip.duration_s * FRAME_RATE_HZ
    if place.warp == STRAIGHT and not is_brief and place.score > SURE_SCORE:
        return place
    best = place
    if place.warp == STRAIGHT:
        best = max([best, *(_at(warp, best, clip) for warp in WARPS)], key=lambda one: one.score)
    for step in POLISH_STEPS:
        best = max([best, *(_at(warp, best, clip) for warp in best.warp.neighbours(step))], key=lambda one: one.score)
        if best.score < threshold:
            break  # the first step brings the right place nearly all that there is to gain
    return best if place.score >= threshold or best.score >= threshold + POLISH_GAIN else place


def _at(warp: Warp, place: Place, clip: Fingerprint) -> Place:
    """Return the same place at another speed: what is heard in the middle stays where it is."""
    found = place.alignment
    offset = found.offset + found.centre * (1 - warp.time / place.warp.time)
    return _place(place.number, _evidence(clip, warp), warp, place.segment, place.part, [round(offset) - BIN_FRAMES])


def _evidence(clip: Fingerprint, warp: Warp) -> Evidence:
    length = max(round(min(clip.duration_s * FRAME_RATE_HZ, MOST_CLIP_FRAMES) * warp.time), 1)
    return evidence(*warp.applied(clip.frames, clip.frequencies), length)


def _place(number: int, heard: Evidence, warp: Warp, segment: Segment, part: int, offsets: list[int]) -> Place:
    margin = 4 * BIN_FRAMES
    peaks = segment.peaks(part, min(offsets) - margin, max(offsets) + len(heard.near) + margin)
    found = align(heard, *peaks, np.array(offsets, np.int64))
    score = found.score - (0.0 if warp == STRAIGHT else WARPED_PENALTY)
    return Place(number, score, found, warp, segment, part)
