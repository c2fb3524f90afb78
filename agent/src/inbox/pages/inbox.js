(function(){
"use strict";
var live=document.getElementById("live"),news=document.getElementById("news");
function look(){
fetch(location.href,{cache:"no-store",redirect:"error"}).then(function(answer){
if(!answer.ok)throw new Error();
return answer.text();
}).then(function(text){
var page=new DOMParser().parseFromString(text,"text/html"),next=page.getElementById("live");
if(!next)throw new Error();
var changed=next.dataset.stand!==live.dataset.stand;
if(!live.contains(document.activeElement)){
live.replaceWith(next);
live=next;
document.title=page.title;
}
var form=document.getElementById("decide");
if(form&&!page.getElementById("decide"))form.remove();
if(changed)news.textContent="This has changed since you came here.";
},function(){
news.textContent="icecore approvals serve does not answer; what stands here may be old.";
});
}
setInterval(look,5000);
})();
