"""How a candidate becomes the champion: its judgement, and the champion that it is compared with."""
