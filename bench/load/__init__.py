"""Is what we measure true?"""
