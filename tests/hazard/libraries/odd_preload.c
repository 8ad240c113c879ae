// An LD_PRELOAD of somebody else's, which does nothing but be there.
int lamprey_test_odd_preload = 1;
