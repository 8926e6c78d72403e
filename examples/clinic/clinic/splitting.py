"""Training and test rows."""

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split


def split(table: pd.DataFrame, target: str, share: float, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training and test rows with the same mix of classes. The same table, share and seed give the same rows."""
    train, test = train_test_split(np.arange(len(table)), test_size=share, random_state=seed, stratify=table[target])
    return table.iloc[np.sort(train)], table.iloc[np.sort(test)]
