"""What a reviewer reads: the paper's numbers beside ours, the claims, and one page."""
