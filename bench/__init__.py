"""The same work on vmscope and on its peers, in one sitting: `python -m bench`. See README.md in this folder."""
