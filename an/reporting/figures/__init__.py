"""The paper's figures, its tables as points, and the curves, each from the files that the workflow keeps."""
