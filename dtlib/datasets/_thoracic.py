"""470 lung-cancer patients before surgery: who died within the year? Most did not.

The chapter `losses` of the book explains it. Tests: tests/test_datasets.py.
"""

import hashlib
import http.client
import io
import os
import re
import urllib.request
import zipfile
from pathlib import Path

import numpy as np

from dtlib._check import integer_in, number_in
from dtlib.datasets._common import (
    Data,
    DataUnavailable,
    boolean,
    data_folder,
    keep,
    scale_by_training,
    stratified_split,
)

# Name in the original table and meaning, in the order of the columns.
THORACIC_FEATURES = {
    "DGN": "diagnosis, a code from 1 to 8 (7 never occurs)",
    "PRE4": "forced vital capacity, in liters",
    "PRE5": "volume exhaled in the first second, in liters but for 15 patients",
    "PRE6": "performance status on the Zubrod scale, 0 (good) to 2 (poor)",
    "PRE7": "pain before surgery, 0 or 1",
    "PRE8": "coughing blood before surgery, 0 or 1",
    "PRE9": "shortness of breath before surgery, 0 or 1",
    "PRE10": "cough before surgery, 0 or 1",
    "PRE11": "weakness before surgery, 0 or 1",
    "PRE14": "size of the tumor, a code from 11 (smallest) to 14 (largest)",
    "PRE17": "diabetes of type 2, 0 or 1",
    "PRE19": "heart attack within the last six months, 0 or 1",
    "PRE25": "disease of the peripheral arteries, 0 or 1",
    "PRE30": "smoking, 0 or 1",
    "PRE32": "asthma, 0 or 1",
    "AGE": "age at surgery, in years",
}

URL = "https://archive.ics.uci.edu/static/public/277/thoracic+surgery+data.zip"
FILES = ("thoracic_surgery.csv", "ThoraricSurgery.arff")  # UCI spells it like this.
TIMEOUT = 30  # seconds
PATIENTS, DEATHS = 470, 70
# Of the checked table in hundredths, as little-endian 32-bit integers, row by row.
TABLE_SHA256 = "c9a4c7fc0f2a08e6ad254d8f9d08b0fdb52a472aad96168062d5e51c385dceb7"


def thoracic_surgery(
    *,
    validation_split=0.2,
    test_split=0.2,
    standardize=False,
    patient_number=False,
    seed=0,
):
    """Load the thoracic-surgery table: 16 facts on a patient, and death within a year.

    The table comes from the first of: the folder `$DTLIB_DATA_DIR`, as
    `thoracic_surgery.csv` or as the original `ThoraricSurgery.arff`; the cache,
    `~/.cache/deep-training-book` (`$XDG_CACHE_HOME` is honored); a download from the
    UCI repository, which fills the cache. Wherever it comes from, its content is
    checked by SHA-256, and its patients come in the order of UCI's file.

    Two quirks. **PRE5 mixes units**: 15 values lie between 8 and 87, the other 455
    between 0.9 and 5.5. They are left as they are, since no source says what they
    mean. **PRE14 = 11.444** for patient 14 in some copies as csv: UCI's file says 14,
    and so does this loader.

    Args:
        validation_split, test_split: Numbers in [0, 1): the shares of the 470 patients,
            of dead and living alike, that become these parts. Default 0.2 each.
        standardize: False leaves raw values. True gives every feature mean 0 and
            standard deviation 1 over the training part.
        patient_number: True puts the patient number, 1 to 470, in front as a 17th
            feature. It is the patient's place in the file, so it says nothing about
            the patient: a mistake to study, not to repeat.
        seed: Int ≥ 0: which patients belong to which part.

    Returns:
        `Data` with features float32 (n, 16), in the order of `THORACIC_FEATURES`, and
        labels int32 (n,): 1 = died within one year.

    Raises:
        ValueError: The table is not the known one, or an argument is outside its range.
        DataUnavailable: The table was found nowhere and could not be downloaded.

    Example: 70 of 470 died, so answering "lives" always is right 85.1 % of the time.
    Guard the call, for a reader without a network:

    >>> if thoracic_available():
    ...     data = thoracic_surgery()
    ...     assert abs(data.y_test.mean() - 70 / 470) < 0.01

    Reference: Zięba, Tomczak, Lubicz, Świątek (2013), "Boosted SVM for extracting rules
    from imbalanced data in application to prediction of the post-operative life
    expectancy in the lung cancer patients", Applied Soft Computing 14; UCI Machine
    Learning Repository no. 277, license CC BY 4.0.
    """
    number_in("validation_split", validation_split, "[0, 1)")
    number_in("test_split", test_split, "[0, 1)")
    boolean("standardize", standardize)
    boolean("patient_number", patient_number)
    integer_in("seed", seed, "[0, inf)")
    table = load_table()
    x = table[:, 0 if patient_number else 1 : -1].astype(np.float32)
    y = table[:, -1].astype(np.int32)
    train, valid, test = stratified_split(
        y, seed, validation_split=validation_split, test_split=test_split
    )
    data = Data(x[train], y[train], x[valid], y[valid], x[test], y[test])
    return scale_by_training(data, axis=0) if standardize else data


def thoracic_available():
    """Whether the table lies on this machine already; never asks the network."""
    return any(path.is_file() for path in paths())


def cache_path():
    """Where a downloaded table is kept."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return caches / "deep-training-book" / FILES[0]


def paths():
    """The files the table may lie in, in the order in which they are looked for."""
    folder = data_folder()
    return [*(folder / name for name in FILES if folder), cache_path()]


def load_table():
    """The checked table from the first place that has it, (470, 18), float64."""
    for path in paths():
        if path.is_file():
            return parse(path.read_bytes().decode("utf-8", "replace"), path)
    try:
        text = download()
    except (OSError, http.client.HTTPException, zipfile.BadZipFile) as error:
        looked = ", ".join(map(str, paths()))
        raise DataUnavailable(
            f"The thoracic-surgery table is not at {looked}, and the download failed "
            f"({error}). Connect to the network once; or download {URL} elsewhere, "
            f"put its {FILES[1]} into a folder, and set the environment variable "
            "DTLIB_DATA_DIR to that folder."
        ) from error
    table = parse(text, URL)
    rows = (",".join(f"{value:.10g}" for value in row) for row in table)
    keep(cache_path(), "\n".join(rows) + "\n")
    return table


def download():
    """The text of the original file, fetched from UCI."""
    with urllib.request.urlopen(URL, timeout=TIMEOUT) as response:
        content = response.read()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in archive.namelist():
            if name.lower().endswith(".arff"):
                return archive.read(name).decode("utf-8", "replace")
    raise zipfile.BadZipFile("no .arff file in what came")


def parse(text, source):
    """Read csv (18 numbers a row) or ARFF (17 codes a row), and check the content.

    ARFF lacks the patient number, which is the row's place in it, and writes T and F
    for 1 and 0, and DGN3, PRZ1, OC12 for 3, 1, 12.
    """
    *header, body = re.split("@data", text, maxsplit=1, flags=re.IGNORECASE)
    lines = [line.strip() for line in body.splitlines()]
    lines = [line for line in lines if line and not line.startswith("%")]
    rows = [line.split(",") for line in lines]
    if header:
        rows = [[str(i), *map(decode, row)] for i, row in enumerate(rows, 1)]
    try:
        table = np.array(rows, dtype=np.float64)
    except ValueError as error:
        raise wrong(source, "a table of numbers", str(error)) from error
    shape = (PATIENTS, len(THORACIC_FEATURES) + 2)
    if table.shape != shape:
        raise wrong(source, f"the shape {shape}", f"{table.shape}")
    if not np.isfinite(table).all():
        raise wrong(source, "finite numbers", "NaN or infinity")
    table = table[np.argsort(table[:, 0], kind="stable")]
    if table[13, 10] == 11.444:  # Patient 14, PRE14: a slip in copies, not in UCI's.
        table[13, 10] = 14
    if table[:, -1].sum() != DEATHS:
        raise wrong(source, f"{DEATHS} deaths", f"{table[:, -1].sum():g}")
    got = hashlib.sha256((table * 100).round().astype("<i4").tobytes()).hexdigest()
    if got != TABLE_SHA256:
        raise wrong(source, f"content of SHA-256 {TABLE_SHA256}", got)
    return table


def decode(code):
    """'T' → '1', 'F' → '0', 'DGN3' → '3', '2.88' → '2.88'."""
    code = code.strip()
    return {"T": "1", "F": "0"}.get(code) or re.sub("^(DGN|PRZ|OC)", "", code)


def wrong(source, expected, got):
    """The error for a table that is not the known one."""
    if source == URL:
        mend = "The download was damaged, or the original has changed; try once more."
    else:
        mend = "Delete the file, or replace it by the original, and call again."
    return ValueError(
        f"The thoracic-surgery table at {source} must have {expected}. "
        f"Received: {got}. {mend}"
    )
