"""A check of the data before anything is learnt from them."""

from dataclasses import dataclass

import pandas as pd

#: a column with a larger share of gaps is not worth imputing
MOST_MISSING = 0.4


@dataclass(frozen=True)
class Quality:
    """What was found in a table."""

    rows: int
    duplicates: int
    #: column → share of missing values, where there are any
    missing: dict[str, float]
    constant: list[str]

    @property
    def findings(self) -> list[str]:
        """One sentence a finding; empty if all is well."""
        found = [f"{column}: {share:.1%} missing" for column, share in self.missing.items()]
        found += [f"{column} never varies" for column in self.constant]
        if self.duplicates:
            found.append(f"{self.duplicates} duplicated rows")
        return found


def inspect(table: pd.DataFrame) -> Quality:
    """Count duplicates, gaps and columns that never vary."""
    gaps = table.isna().mean()
    return Quality(
        rows=len(table),
        duplicates=int(table.duplicated().sum()),
        missing={str(column): float(share) for column, share in gaps.items() if share > 0},
        constant=[str(column) for column in table if table[column].nunique(dropna=False) <= 1],
    )


def require(table: pd.DataFrame, target: str) -> pd.DataFrame:
    """The table without duplicated rows; ValueError if it cannot be learnt from."""
    quality = inspect(table)
    hopeless = [column for column, share in quality.missing.items() if share > MOST_MISSING]
    if hopeless:
        raise ValueError(f"too many gaps in {', '.join(hopeless)}")
    if target in quality.missing or target in quality.constant:
        raise ValueError(f"{target!r} cannot be learnt: it has gaps or never varies")
    return table.drop_duplicates(ignore_index=True)
