/* words in comments: hidden_one */ int visible_1; // hidden_two \
   hidden_three, still the comment
/\
* hidden_four *\
/ int visible_5;
/\
/ hidden_five
char *visible_8 = "hidden_six \" hidden_seven \
hidden_eight" L"hidden_nine" u8"hidden_ten";
int visible_10 = 'h' + '\'' + L'"' + u'h' + '\\';
int visib\
le_1\   
1;
const char *visible_14 = R"tag(hidden_eleven "
)tagged" hidden_twelve \
)tag"; int visible_16;
double visible_17 = 0x1.8p+3 + 1e+10 + .5e-3f + 0xE+hidden_eighteen + 1'000'000 + 12ul;
#define TEXT_OF(x) #x /* a comment that goes on
   in the next line */ joined##x
  # /* between */ define INDENTED visible_20
%:define DIGRAPH <% int visible_21; %>
#error it's an error: hidden_thirteen /* and
   hidden_fourteen */ don't \
   hidden_fifteen
#if 0
This isn't C, it's "prose: hidden_seventeen
#endif
# include "hidden_sixteen.h"
#include MACRO_HEADER
#if defined(visible_30) && defined visible_30b
#elif visible_31
#endif
#
int na\u00efve_34 = $dollar_34; int größe_34;
int a = b/c; int visible_35 = a /*hidden*/ / b; /**/ int visible_35b; /***/ int visible_35c;
